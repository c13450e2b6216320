// The reloader: what it writes, when it has Prometheus reload, and what it does where that fails; and beside a real Prometheus, by
// HTTP and by signal. Owns its folders and processes.
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { createStoreClient } from '../../../lib/storeapi/client.ts'
import { Reloader, type ReloaderOptions } from '../../../services/sidecar/reloader.ts'
import { startMnemo } from '../../support/cluster.ts'
import { freePorts } from '../../support/free-port.ts'
import { TestProcess } from '../../support/process.ts'
import { prometheusApi, whyNoPrometheus } from '../../support/prometheus.ts'

const reason = whyNoPrometheus('the reloader beside a real Prometheus')
if (reason !== undefined) console.log(reason)

let folder: string
let stops: (() => Promise<unknown>)[]
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'reloader-'))
  stops = []
})
afterEach(async () => {
  for (const stop of stops.reverse()) await stop()
  await rm(folder, { recursive: true })
})

const at = (name: string) => path.join(folder, name)

function start(changes: Partial<ReloaderOptions> = {}) {
  const abort = new AbortController()
  const registry = createRegistry()
  const trigger = vi.fn<ReloaderOptions['trigger']>(async () => {})
  const reloader = new Reloader({
    configFile: at('in.yml'),
    outputFile: at('out.yml'),
    ruleDirs: [],
    watchIntervalMs: 60_000,
    retryIntervalMs: 20,
    method: 'http',
    trigger,
    env: { NAME: 'value', $: 'no' },
    logger: createLogger({ level: 'silent' }),
    registry,
    ...changes,
  })
  const running = reloader.run(abort.signal).catch((error: unknown) => {
    if (!abort.signal.aborted) throw error
  })
  stops.push(() => {
    abort.abort()
    return running
  })
  const metric = async (name: string) =>
    Number(new RegExp(`^thanos_sidecar_reloader_${name}(?:{.*})? (.*)$`, 'm').exec(await registry.metrics())?.[1])
  return { trigger, running, metric }
}

const output = () => readFile(at('out.yml'), 'utf8')

describe('the configuration', () => {
  test('is written with its variables, and loaded at the start and where it changes', async () => {
    await writeFile(at('in.yml'), 'a: $(NAME) $NAME {NAME} $(no-name)')
    const { trigger } = start()
    await expect.poll(() => trigger.mock.calls.length).toBe(1)
    expect(await output()).toBe('a: value $NAME {NAME} $(no-name)')
    await writeFile(at('other.yml'), 'a: $(NAME)2')
    await rename(at('other.yml'), at('in.yml'))
    await expect.poll(() => trigger.mock.calls.length).toBe(2)
    expect(await output()).toBe('a: value2')
    // Written again, and the same: nothing to load.
    await writeFile(at('in.yml'), 'a: $(NAME)2')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(trigger).toHaveBeenCalledTimes(2)
  })

  test('may be packed', async () => {
    await writeFile(at('in.yml'), gzipSync('a: $(NAME)'))
    const { trigger } = start()
    await expect.poll(() => trigger.mock.calls.length).toBe(1)
    expect(await output()).toBe('a: value')
  })

  test('with a name that is not in the environment: an error at the start, later what is loaded stays', async () => {
    await writeFile(at('in.yml'), '$(UNKNOWN)')
    const wrong = { code: 'config', cause: { message: expect.stringContaining('got no value of UNKNOWN') } }
    await expect(start().running).rejects.toMatchObject(wrong)
    stops = []
    await writeFile(at('in.yml'), '$(NAME)')
    const { trigger, metric } = start()
    await expect.poll(() => trigger.mock.calls.length).toBe(1)
    await writeFile(at('in.yml'), '$(UNKNOWN) $(NAME)')
    await expect.poll(() => metric('config_apply_operations_failed_total')).toBe(1)
    expect(await metric('config_environment_variable_expansion_errors')).toBe(1)
    expect([trigger.mock.calls.length, await output()]).toEqual([1, 'value'])
  })

  test('of an interval of 0 is written once, and not watched', async () => {
    await writeFile(at('in.yml'), '$(NAME)')
    const { trigger, running } = start({ watchIntervalMs: 0 })
    await running
    expect([trigger.mock.calls.length, await output()]).toEqual([0, 'value'])
  })
})

test('rules: changes of files, also behind links and below folders; the interval finds what no event told', async () => {
  await mkdir(at('rules/sub'), { recursive: true })
  await mkdir(at('elsewhere'))
  await writeFile(at('elsewhere/x.yml'), '1')
  await symlink(at('elsewhere'), at('rules/..data'))
  await symlink('..data/x.yml', at('rules/x.yml'))
  const { trigger, metric } = start({ configFile: '', outputFile: '', ruleDirs: [at('rules')], watchIntervalMs: 100 })
  await expect.poll(() => trigger.mock.calls.length).toBe(1)
  await writeFile(at('rules/sub/new.yml'), '2')
  await expect.poll(() => trigger.mock.calls.length).toBe(2)
  await writeFile(at('elsewhere/x.yml'), '3')
  await expect.poll(() => trigger.mock.calls.length).toBe(3)
  await rm(at('rules/sub/new.yml'))
  await expect.poll(() => trigger.mock.calls.length).toBe(4)
  expect(await metric('reloads_total')).toBe(4)
  expect(await metric('watches')).toBe(1)
})

test('a reload that fails is tried again until it succeeds', async () => {
  await writeFile(at('in.yml'), 'a')
  let failures = 3
  const trigger = vi.fn(async () => {
    if (failures-- > 0) throw new MnemoError('unavailable', 'not now')
  })
  const { metric } = start({ trigger })
  await expect.poll(() => metric('last_reload_successful')).toBe(1)
  expect(trigger).toHaveBeenCalledTimes(4)
  expect([await metric('reloads_total'), await metric('reloads_failed_total')]).toEqual([4, 3])
})

describe.skipIf(reason !== undefined)('beside a real Prometheus', () => {
  test.each(['http', 'signal'])(
    '%s: labels and rules that change are taken; what is wrong is told, and mended',
    async (method) => {
      const [port, http, grpc] = (await freePorts(3)) as [number, number, number]
      await mkdir(at('rules'))
      const config = (label: string) =>
        `{global: {external_labels: {replica: ${label}}}, rule_files: ["${folder}/rules/*"]}`
      await writeFile(at('in.yml'), config('$(REPLICA)'))
      await writeFile(at('out.yml'), config('before'))
      // A name that no other process has: it is found by it.
      const name = `prom${process.pid}`
      await symlink(execFileSync('sh', ['-c', 'command -v prometheus']).toString().trim(), at(name))
      const prometheus = await TestProcess.start({
        command: at(name),
        args: [
          `--config.file=${at('out.yml')}`,
          `--storage.tsdb.path=${at('data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
          ...(method === 'http' ? ['--web.enable-lifecycle'] : []),
        ],
      })
      stops.push(() => prometheus.stop())
      const url = `http://127.0.0.1:${port}`
      await prometheus.waitForHttp(`${url}/-/ready`)
      const sidecar = await startMnemo(
        [
          'sidecar',
          `--prometheus.url=${url}`,
          `--grpc-address=127.0.0.1:${grpc}`,
          `--http-address=127.0.0.1:${http}`,
          `--reloader.config-file=${at('in.yml')}`,
          `--reloader.config-envsubst-file=${at('out.yml')}`,
          `--reloader.rule-dir=${at('rules')}`,
          `--reloader.method=${method}`,
          `--reloader.process-name=${name}`,
          '--reloader.retry-interval=200ms',
          '--prometheus.get_config_interval=500ms',
        ],
        { REPLICA: 'a' },
      )
      stops.push(() => sidecar.stop())
      await sidecar.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
      const loaded = async () => (await prometheusApi<{ yaml: string }>(url, 'status/config')).yaml
      const rules = async () => JSON.stringify(await prometheusApi(url, 'rules'))
      await expect.poll(loaded, { timeout: 10_000 }).toContain('replica: a')
      // The sidecar reads the labels again, and announces them.
      const client = createStoreClient(`127.0.0.1:${grpc}`)
      stops.push(async () => client.close())
      const labels = async () => (await client.info(new AbortController().signal)).labelSets
      await expect.poll(labels, { timeout: 10_000 }).toEqual([['replica', 'a']])
      await writeFile(at('rules/one.yml'), '{groups: [{name: g, rules: [{record: new:rule, expr: up}]}]}')
      await expect.poll(rules, { timeout: 10_000 }).toContain('new:rule')
      await writeFile(at('rules/one.yml'), 'no rules')
      await sidecar.waitForOutput(/cannot reload Prometheus/)
      await writeFile(at('rules/one.yml'), '{groups: [{name: g, rules: [{record: mended:rule, expr: up}]}]}')
      await expect.poll(rules, { timeout: 20_000 }).toContain('mended:rule')
    },
    60_000,
  )
})
