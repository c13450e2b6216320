// Stores that leave Info unanswered keep nobody waiting: the querier starts, and meanwhile sees others come and go.
// A real querier over stores of this test, which are silent from some Info call on.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import { fakeStore } from '../../support/fake-store.ts'
import { TestProcess } from '../../support/process.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** The address of a store that answers so many Info calls, and is silent then. */
async function serve(answers = Number.POSITIVE_INFINITY): Promise<string> {
  const store = fakeStore([])
  let calls = 0
  const info: typeof store.info = (signal) => (calls++ < answers ? store.info(signal) : new Promise(() => {}))
  const logger = createLogger({ level: 'silent' })
  const { signal } = new AbortController()
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, signal, graceMs: 0 }
  const server = await startGrpc(options, storeService({ ...store, info }))
  ends.push(() => server.close())
  return server.address
}

async function startQuerier(...args: string[]): Promise<{ querier: TestProcess; url: string }> {
  const addresses = ['--http-address=127.0.0.1:0', '--grpc-address=127.0.0.1:0']
  const command = new URL('../../../bin/mnemo', import.meta.url).pathname
  const querier = await TestProcess.start({ command, args: ['query', '--query.workers=2', ...addresses, ...args] })
  ends.push(() => querier.stop())
  const [, address] = await querier.waitForOutput(/requests and metrics" address=(\S+)/)
  return { querier, url: `http://${address}` }
}

async function errorsByStore(url: string): Promise<Record<string, string | null>> {
  const answer = (await (await fetch(`${url}/api/v1/stores`)).json()) as {
    data: Record<string, { name: string; lastError: string | null }[]>
  }
  const statuses = Object.values(answer.data).flat()
  return Object.fromEntries(statuses.map(({ name, lastError }) => [name, lastError]))
}

test.each([
  ['never', 0],
  ['once', 1],
])(
  'the querier is ready beside a store that answers Info %s',
  async (_, answers) => {
    const [silent, well] = [await serve(answers), await serve()]
    const endpoints = [`--endpoint=${silent}`, `--endpoint=${well}`, '--endpoint.info-timeout=1s']
    const { querier, url } = await startQuerier(...endpoints)
    await querier.waitForHttp(`${url}/-/ready`)
    await expect
      .poll(() => errorsByStore(url))
      .toEqual({ [silent]: expect.stringContaining('got no answer to Info for 1000 ms'), [well]: null })
  },
  60_000,
)

test('a store that comes while workers still wait for another one is seen', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-silent-stores-'))
  ends.push(() => rm(folder, { recursive: true }))
  const file = path.join(folder, 'stores.yml')
  const [silent, late] = [await serve(1), await serve()]
  const stores = [`--endpoint=${silent}`, `--store.sd-files=${file}`, '--endpoint.info-timeout=1m']
  const { querier, url } = await startQuerier(...stores)
  await querier.waitForOutput(/store is up/)
  await expect
    .poll(async () => {
      await writeFile(file, `[{targets: ["${late}"]}]`)
      return errorsByStore(url)
    })
    .toMatchObject({ [late]: null })
  expect((await fetch(`${url}/-/ready`)).status).toBe(503)
})
