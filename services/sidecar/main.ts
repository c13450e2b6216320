// `mnemo sidecar`: beside a Prometheus it ships blocks to the bucket and serves fresh data over StoreAPI.
// Without a bucket it only serves, and waits for its Prometheus however long; one that ships gives a start up after
// --prometheus.ready_timeout, as Thanos's does. Either heals itself when Prometheus was down later. Owns the wiring.
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Shipper } from '../../lib/blocks/shipper.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { grpcOptionsOf, startGrpc } from '../../lib/kit/grpc.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { createHttpClient, type HttpClient, plainHttpClient } from '../../lib/kit/http-client.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { logGrpcCalls, logHttpRequests, readRequestLogging } from '../../lib/kit/request-logging.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { checkAccess } from '../../lib/objstore/check-access.ts'
import { createBucket, readObjstoreConfig } from '../../lib/objstore/config.ts'
import { limitSeries } from '../../lib/storeapi/limits.ts'
import { storeService } from '../../lib/storeapi/server.ts'
import { checkFlags, flags, type SidecarConfig } from './config.ts'
import { peerServices } from './peer-apis.ts'
import { PrometheusClient } from './prometheus.ts'
import { PrometheusState } from './prometheus-state.ts'
import { httpTrigger, signalTrigger } from './reload-trigger.ts'
import { Reloader } from './reloader.ts'
import { sidecarStoreApi } from './store-api.ts'

const shipIntervalMs = 30_000

export function main(argv: string[]): Promise<void> {
  return runService({
    name: 'sidecar',
    summary: 'Beside a Prometheus: ships its blocks to the bucket, serves its fresh data over StoreAPI.',
    flags,
    argv,
    run,
  })
}

async function run(config: SidecarConfig, ctx: ServiceContext): Promise<void> {
  const { logger, registry, signal } = ctx
  warnOfIgnored(flags, config, logger)
  checkFlags(config)
  const logging = readRequestLogging(config)
  const objstore = readObjstoreConfig(config)
  const bucket = objstore === undefined ? undefined : await createBucket(objstore, { registry, logger })
  if (bucket) ctx.onStop('bucket', () => bucket.close())
  else logger.info('no bucket is configured: blocks are not shipped')
  const http = await openHttpClient(config)
  ctx.onStop('connections to Prometheus', () => http.close())
  const client = new PrometheusClient(config.prometheusUrl, config.getConfigTimeoutMs, http)
  const state = new PrometheusState({ ...ctx, client, config, ships: bucket !== undefined })
  await startHttp({ ...ctx, address: config.httpAddress, graceMs: config.httpGracePeriodMs }, (app) =>
    logHttpRequests(app, logging.http, logger),
  )
  const interceptor = logging.grpc && logGrpcCalls(logging.grpc, logger)
  await startGrpc({ ...ctx, ...grpcOptionsOf(config), interceptor }, [
    ...storeService(limitSeries(sidecarStoreApi(client, state, createKernels()), config, registry), { logger }),
    ...peerServices(client, state, { logger }),
  ])
  const reloader = openReloader(config, client, ctx)
  await Promise.all([reloader.run(signal), live(bucket, config, state, ctx)])
}

/** Fresh data is served as soon as Prometheus is up, however long the bucket takes to answer. Throws `config` where that refuses its keys. */
async function live(
  bucket: Bucket | undefined,
  config: SidecarConfig,
  state: PrometheusState,
  ctx: ServiceContext,
): Promise<void> {
  const { logger, signal } = ctx
  const isUp = state.untilUp(signal)
  const shipping = bucket
    ? Promise.all([isUp, checkAccess(bucket, logger, signal)]).then(() => ship(bucket, config, state, ctx))
    : ctx.untilStopped()
  await Promise.all([isUp.then(() => state.keepReading(signal)), shipping])
}

function openReloader(config: SidecarConfig, client: PrometheusClient, { logger, registry }: ServiceContext): Reloader {
  const { reloaderMethod: method } = config
  return new Reloader({
    configFile: config.reloaderConfigFile,
    outputFile: config.reloaderOutputFile,
    ruleDirs: config.reloaderRuleDirs,
    watchIntervalMs: config.reloaderWatchIntervalMs,
    retryIntervalMs: config.reloaderRetryIntervalMs,
    method,
    trigger: method === 'http' ? httpTrigger(client) : signalTrigger(client, config.reloaderProcessName),
    env: process.env,
    logger,
    registry,
  })
}

/** As --prometheus.http-client or its file configures it. Throws `config`. */
async function openHttpClient({ httpClient, httpClientFile }: SidecarConfig): Promise<HttpClient> {
  if (httpClientFile === '')
    return httpClient === '' ? plainHttpClient : createHttpClient(httpClient, '--prometheus.http-client')
  const flag = `--prometheus.http-client-file ${httpClientFile}`
  try {
    return await createHttpClient(await readFile(httpClientFile, 'utf8'), flag)
  } catch (cause) {
    if (cause instanceof MnemoError) throw cause
    throw new MnemoError('config', `cannot read ${flag}`, { cause })
  }
}

async function ship(bucket: Bucket, config: SidecarConfig, state: PrometheusState, ctx: ServiceContext): Promise<void> {
  const { logger, registry, signal } = ctx
  await checkDataFolder(config.tsdbPath, logger)
  const shipper = new Shipper({
    bucket,
    tsdbPath: config.tsdbPath,
    stateFile: config.shipperMetaFileName,
    labels: () => state.labels,
    uploadCompacted: config.uploadCompacted,
    upload: { concurrency: Math.max(1, config.uploadConcurrency), hashFunc: config.hashFunc },
    logger,
    registry,
  })
  while (!signal.aborted) {
    try {
      await shipper.sync(signal)
    } catch (err) {
      if (!signal.aborted) logger.warn({ err }, 'not all blocks were shipped')
    }
    await sleep(shipIntervalMs, undefined, { signal })
  }
}

/** A wrong --tsdb.path would ship nothing, for ever, without a word. Throws `config`. */
async function checkDataFolder(tsdbPath: string, logger: Logger): Promise<void> {
  try {
    const names = await readdir(tsdbPath)
    if (!names.includes('wal')) logger.warn(`${tsdbPath} has no wal folder: is it the data folder of Prometheus?`)
  } catch (cause) {
    throw new MnemoError('config', `cannot read --tsdb.path ${tsdbPath}, want Prometheus's data folder`, { cause })
  }
}
