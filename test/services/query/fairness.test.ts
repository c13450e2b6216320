// One worker, one heavy query: small ones are answered beside it, and it ends at once when its client leaves.
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGrpc } from '../../../lib/kit/grpc.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { storeService } from '../../../lib/storeapi/server.ts'
import { openBlockStore } from '../../support/block-store-api.ts'
import { goldenPath } from '../../support/golden.ts'
import { TestProcess } from '../../support/process.ts'

const bucket = goldenPath('dedup', 'bucket')
const atEnd = 'time=1700020800'
let url: string
let stop: () => Promise<void>

beforeAll(async () => {
  const store = await openBlockStore(readdirSync(bucket).map((name) => `${bucket}/${name}`))
  const signal = new AbortController().signal
  const logger = createLogger({ level: 'silent' })
  const options = { address: '127.0.0.1:0', registry: createRegistry(), probe: new Probe(), logger, signal, graceMs: 0 }
  const server = await startGrpc(options, storeService(store))
  const addresses = ['--http-address=127.0.0.1:0', '--grpc-address=127.0.0.1:0', `--endpoint=${server.address}`]
  const command = new URL('../../../bin/mnemo', import.meta.url).pathname
  const querier = await TestProcess.start({ command, args: ['query', '--query.workers=1', ...addresses] })
  const [, address] = await querier.waitForOutput(/requests and metrics" address=(\S+)/)
  url = `http://${address}`
  await querier.waitForHttp(`${url}/-/ready`)
  stop = async () => {
    await querier.stop()
    await server.close()
    await store.close()
  }
})
afterAll(() => stop())

// Two million steps for each series: a second and more of one thread, in pieces of a series.
const heavy = 'sum(last_over_time(({__name__=~"r_.+"} > -Inf)[2h:4ms]))'

async function activeQueries(): Promise<{ query: string }[]> {
  const response = await fetch(`${url}/api/v1/status/active_queries`)
  return ((await response.json()) as { data: { query: string }[] }).data
}

test('small queries are answered while a heavy one runs in the only worker, and it ends when its client leaves', async () => {
  const leave = new AbortController()
  const asked = fetch(`${url}/api/v1/query?query=${encodeURIComponent(heavy)}&${atEnd}`, { signal: leave.signal })
  const ended = asked.then(
    ({ status }) => status,
    () => 'left',
  )
  await expect.poll(activeQueries).toMatchObject([{ query: heavy }])
  const small = await fetch(`${url}/api/v1/query?query=count(r_gauge)&${atEnd}`)
  expect(small.status).toBe(200)
  expect(await activeQueries()).toMatchObject([{ query: heavy }])
  leave.abort()
  expect(await ended).toBe('left')
  await expect.poll(activeQueries).toEqual([])
  const startMs = performance.now()
  await fetch(`${url}/api/v1/query?query=count(r_gauge)&${atEnd}`)
  expect(performance.now() - startMs).toBeLessThan(5_000)
})
