// `mnemo sidecar`: beside a Prometheus it ships blocks to the bucket and serves fresh data over StoreAPI.
// Without a bucket it only serves. It waits for its Prometheus, however long, and heals itself when that was down.
// Owns the wiring.
import { setTimeout as sleep } from 'node:timers/promises'
import { Shipper } from '../../lib/blocks/shipper.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { grpcOptionsOf, startGrpc } from '../../lib/kit/grpc.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { createBucket, readObjstoreConfig } from '../../lib/objstore/config.ts'
import { storeService } from '../../lib/storeapi/server.ts'
import { flags, type SidecarConfig } from './config.ts'
import { PrometheusClient } from './prometheus.ts'
import { PrometheusState } from './prometheus-state.ts'
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
  const { logger, signal } = ctx
  const objstore = readObjstoreConfig(config)
  const client = new PrometheusClient(config.prometheusUrl, config.getConfigTimeoutMs)
  const state = new PrometheusState({ ...ctx, client, config, ships: objstore !== undefined })
  await startHttp({ ...ctx, address: config.httpAddress, graceMs: config.httpGracePeriodMs })
  await startGrpc(
    { ...ctx, ...grpcOptionsOf(config) },
    storeService(sidecarStoreApi(client, state, createKernels()), { logger }),
  )
  if (objstore === undefined) logger.info('no bucket is configured: blocks are not shipped')
  await state.untilUp(signal)
  await Promise.all([
    state.keepReading(signal),
    objstore === undefined ? ctx.untilStopped() : ship(objstore, config, state, ctx),
  ])
}

async function ship(
  objstore: string,
  config: SidecarConfig,
  state: PrometheusState,
  ctx: ServiceContext,
): Promise<void> {
  const { logger, registry, signal } = ctx
  const bucket = await createBucket(objstore, { registry, logger })
  ctx.onStop('bucket', () => bucket.close())
  const shipper = new Shipper({
    bucket,
    tsdbPath: config.tsdbPath,
    stateFile: config.shipperMetaFileName,
    labels: () => state.labels,
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
