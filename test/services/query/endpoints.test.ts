// How a querier as a process reaches its stores: over TLS, by DNS, from a file that changes.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { goldenPath } from '../../support/golden.ts'
import { count, get, serve, startQuerier } from '../../support/querier.ts'

describe('TLS', () => {
  const file = (name: string) => goldenPath('tls', name)
  const tls = { certFile: file('server.pem'), keyFile: file('server.key'), clientCaFile: file('ca.pem') }
  const ours = ['--grpc-client-tls-secure', `--grpc-client-tls-ca=${file('ca.pem')}`]
  const certificate = [`--grpc-client-tls-cert=${file('client.pem')}`, `--grpc-client-tls-key=${file('client.key')}`]

  test.each<[string, string[], RegExp | undefined]>([
    [
      'both certificates and the server name',
      [...ours, ...certificate, '--grpc-client-server-name=server.test'],
      undefined,
    ],
    ['another server name', [...ours, ...certificate, '--grpc-client-server-name=other.test'], /is down: /],
    ['no certificate of the client', [...ours, '--grpc-client-server-name=server.test'], /is down: /],
    ['plain text', [], /is down: /],
  ])('%s', async (_what, args, problem) => {
    const store = await serve('a', undefined, 'store', tls)
    const querier = await startQuerier(`--endpoint=${store.address}`, ...args)
    try {
      const { data, warnings } = await get(querier.url, 'query', count)
      expect(warnings).toEqual(problem && [expect.stringMatching(problem)])
      expect(data.result).toHaveLength(problem ? 0 : 1)
    } finally {
      await querier.process.stop()
      await store.cut()
    }
  })
})

describe('endpoints by DNS and from a file', () => {
  test('a store that speaks TLS from now on is asked so once the file says so', async () => {
    const cert = (name: string) => goldenPath('tls', name)
    const plain = await serve('a')
    const folder = await mkdtemp(join(tmpdir(), 'mnemo-query-'))
    const file = join(folder, 'endpoints.yaml')
    await writeFile(file, `endpoints:\n- address: ${plain.address}\n`)
    const querier = await startQuerier(
      `--endpoint.sd-config-file=${file}`,
      '--endpoint.sd-config-reload-interval=200ms',
    )
    const answer = async () => {
      const { data, warnings } = await get(querier.url, 'query', count)
      return { results: data.result.length, warnings }
    }
    const whole = { results: 1, warnings: undefined }
    try {
      // Each of the workers has asked it.
      for (let i = 0; i < 4; i++) expect(await answer()).toEqual(whole)
      await plain.cut()
      const secured = await serve('a', plain.address, 'store', {
        certFile: cert('server.pem'),
        keyFile: cert('server.key'),
      })
      const client = `{ tls_config: { ca_file: ${cert('ca.pem')} }, server_name: server.test }`
      await writeFile(file, `endpoints:\n- address: ${plain.address}\n  client_config: ${client}\n`)
      await expect.poll(answer, { timeout: 15_000 }).toEqual(whole)
      for (let i = 0; i < 4; i++) expect(await answer()).toEqual(whole)
      await secured.cut()
    } finally {
      await querier.process.stop()
      await rm(folder, { recursive: true })
    }
  })

  test('a name, a group, a file that changes; a name that is not there is a warning', async () => {
    const [a, b] = [await serve('a'), await serve('b')]
    const [portA, portB] = [a, b].map(({ address }) => address.split(':')[1])
    const folder = await mkdtemp(join(tmpdir(), 'mnemo-query-'))
    const file = join(folder, 'endpoints.yaml')
    await writeFile(file, `endpoints:\n- address: localhost:${portB}\n  group: true\n`)
    const querier = await startQuerier(
      `--endpoint=dns+127.0.0.1:${portA}`,
      `--endpoint.sd-config-file=${file}`,
      '--endpoint.sd-config-reload-interval=200ms',
      '--store.unhealthy-timeout=100ms',
    )
    const names = async () => {
      const { data } = await get(querier.url, 'stores')
      return Object.values(data as Record<string, { name: string }[]>).flatMap((list) => list.map(({ name }) => name))
    }
    try {
      expect(await names()).toEqual([a.address, `dns:///localhost:${portB}`])
      const reply = await get(querier.url, 'query', `${count}&dedup=false`)
      expect(reply).toMatchObject({ status: 'success' })
      expect(reply.warnings).toBeUndefined()
      await writeFile(file, `endpoints:\n- address: dnssrv+no-such-name.invalid\n`)
      await expect
        .poll(async () => (await get(querier.url, 'query', count)).warnings, { timeout: 15_000 })
        .toEqual([expect.stringMatching(/^store dnssrv\+no-such-name\.invalid is down: (it|cannot) resolve/)])
      await writeFile(file, 'endpoints: [')
      await querier.process.waitForOutput(/cannot reload endpoints: those known stay/)
      expect(await names()).toContain(a.address)
    } finally {
      await querier.process.stop()
      await Promise.all([a.cut(), b.cut()])
      await rm(folder, { recursive: true })
    }
  })
})
