// Addresses that DNS answers: how they are spelled, and what they resolve to.
// Subject: lib/kit/dns-address.ts over a resolver of the test. Owns nothing.
import { describe, expect, test } from 'vitest'
import { type DnsResolver, parseDnsAddress, resolveDnsAddress } from '../../../lib/kit/dns-address.ts'

const failure = (code: string) => Object.assign(new Error(`query ${code}`), { code })

const hosts: Record<string, readonly string[]> = { one: ['10.0.0.2', '10.0.0.1', '10.0.0.2'], six: ['fd00::1'] }
const resolver: DnsResolver = {
  async lookup(host) {
    if (host === 'broken') throw failure('EAI_AGAIN')
    const found = hosts[host]
    if (!found) throw failure('ENOTFOUND')
    return found
  },
  async srv(name) {
    if (name !== '_grpc._tcp.x') throw failure('ENODATA')
    return [
      { name: 'one.', port: 1 },
      { name: 'six', port: 2 },
      { name: 'gone', port: 3 },
    ]
  },
}

test.each([
  ['dns+one:10901', ['10.0.0.1:10901', '10.0.0.2:10901']],
  ['dns+six:10901', ['[fd00::1]:10901']],
  ['dns+gone:10901', []],
  ['dnssrv+_grpc._tcp.x', ['10.0.0.1:1', '10.0.0.2:1', '[fd00::1]:2']],
  ['dnssrv+_grpc._tcp.x:9', ['10.0.0.1:9', '10.0.0.2:9', '[fd00::1]:9']],
  ['dnssrvnoa+_grpc._tcp.x', ['gone:3', 'one:1', 'six:2']],
  ['dnssrv+gone', []],
])('%s', async (text, want) => {
  expect(await resolveDnsAddress(parseDnsAddress(text)!, resolver)).toEqual(want)
})

test('a resolver that fails is an error, not an empty answer', async () => {
  const broken = resolveDnsAddress(parseDnsAddress('dns+broken:1')!, resolver)
  await expect(broken).rejects.toMatchObject({ code: 'unavailable', message: 'cannot resolve broken' })
})

describe('spelling', () => {
  test.each(['a:1', 'dnsx+a:1', '10.0.0.1:1'])('%s is no dns address', (text) => {
    expect(parseDnsAddress(text)).toBeUndefined()
  })
  test.each(['dns+a', 'dns+', 'dns+a:0', 'dns+a:70000', 'dnssrv+', 'dns+a b:1'])('%s is refused', (text) => {
    expect(() => parseDnsAddress(text)).toThrow(`cannot read address: got "${text}"`)
  })
})
