// From configured endpoints to targets: what DNS says, what it cannot say, and the YAML file.
// Subject: services/query/discovery.ts, endpoint-config.ts. Owns nothing.
import { describe, expect, test } from 'vitest'
import type { DnsResolver } from '../../../lib/kit/dns-address.ts'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { endpointFlags } from '../../../services/query/config-endpoints.ts'
import { Discovery } from '../../../services/query/discovery.ts'
import { parseEndpointConfig } from '../../../services/query/endpoint-config.ts'

function discoveryOf(argv: string[], hosts: Record<string, readonly string[] | Error> = {}) {
  const resolver: DnsResolver = {
    async lookup(host) {
      const found = hosts[host] ?? Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
      if (found instanceof Error) throw found
      return found
    },
    srv: () => Promise.reject(new Error('no SRV here')),
  }
  const registry = new Registry()
  const logger = createLogger({ level: 'silent' })
  return {
    discovery: new Discovery({ values: parseFlags('query', '', endpointFlags, argv), registry, logger, resolver }),
    registry,
  }
}

describe('DNS', () => {
  test('before and after the first answer, when it fails, and when the name is gone', async () => {
    const hosts: Record<string, readonly string[] | Error> = { a: ['10.0.0.1', '10.0.0.2'] }
    const { discovery, registry } = discoveryOf(['--endpoint=dns+a:1', '--endpoint=b:1'], hosts)
    const seen = () => discovery.targets.map(({ address, problem }) => (problem ? `${address}: ${problem}` : address))
    expect(seen()).toEqual(['dns+a:1: it has not been resolved yet', 'b:1'])
    await discovery.resolve()
    expect(seen()).toEqual(['10.0.0.1:1', '10.0.0.2:1', 'b:1'])
    hosts.a = new Error('timed out')
    await discovery.resolve()
    expect(seen()).toEqual(['10.0.0.1:1', '10.0.0.2:1', 'b:1'])
    hosts.a = []
    await discovery.resolve()
    expect(seen()).toEqual(['dns+a:1: it resolves to no address', 'b:1'])
    const metrics = await registry.metrics()
    expect(metrics).toContain('thanos_query_endpoints_dns_lookups_total 3')
    expect(metrics).toContain('thanos_query_endpoints_dns_failures_total 1')
    expect(metrics).toContain('thanos_query_endpoints_dns_provider_results{addr="dns+a:1"} 0')
  })

  test('a name that has never been resolved is down by why', async () => {
    const { discovery } = discoveryOf(['--endpoint=dns+a:1'], { a: new Error('timed out') })
    await discovery.resolve()
    expect(discovery.targets).toMatchObject([{ address: 'dns+a:1', problem: 'cannot resolve a: timed out' }])
  })
})

test('strict endpoints and groups', () => {
  const { discovery } = discoveryOf([
    '--endpoint-strict=a:1',
    '--endpoint-group=dns+b:1',
    '--endpoint-group-strict=c:1',
  ])
  expect(discovery.targets).toEqual([
    { address: 'a:1', isStrict: true },
    { address: 'dns:///b:1', isStrict: false },
    { address: 'dns:///c:1', isStrict: true },
  ])
})

describe('the file', () => {
  const flagTls = { caFile: 'flag.pem' }

  test("TLS: the flags' by default, the file's default, an endpoint's own, none", () => {
    const text = `
default_client_config: { tls_config: { ca_file: all.pem } }
endpoints:
- address: a:1
- { address: b:1, strict: true, client_config: { tls_config: { cert_file: c.pem, key_file: k.pem }, server_name: b } }
- { address: dns+c:1, client_config: { tls_config: { enabled: false } } }
- { address: d:1, group: true, client_config: { tls_config: { insecure_skip_verify: true } } }
`
    expect(parseEndpointConfig(text, flagTls)).toEqual([
      { address: 'a:1', isGroup: false, isStrict: false, tls: { caFile: 'all.pem' } },
      { address: 'b:1', isGroup: false, isStrict: true, tls: { certFile: 'c.pem', keyFile: 'k.pem', serverName: 'b' } },
      { address: 'dns+c:1', isGroup: false, isStrict: false, tls: undefined },
      { address: 'd:1', isGroup: true, isStrict: false, tls: { skipVerify: true } },
    ])
    expect(parseEndpointConfig('endpoints: [{ address: "a:1" }]', flagTls)).toMatchObject([{ tls: flagTls }])
    expect(parseEndpointConfig('', undefined)).toEqual([])
  })

  test.each([
    ['endpoints: [', 'got text that is no YAML'],
    ['- a', 'cannot read endpoints: got no mapping'],
    ['endpoint: []', 'got the unknown key "endpoint", want endpoints, default_client_config'],
    ['endpoints: [{ strict: true }]', 'cannot read endpoint 1: got no address'],
    ['endpoints: [{ address: a }]', 'endpoint 1: got "a", want host:port'],
    ['endpoints: [{ address: "dns+a:1", strict: true }]', 'what is found by DNS cannot be strict'],
    ['endpoints: [{ address: "dnssrv+a", group: true }]', 'want host:port for a group'],
    ['endpoints: [{ address: "a:1", group: 1 }]', 'endpoint 1: group: got 1, want true or false'],
    ['default_client_config: { compression: snappy }', 'got compression "snappy", which is not supported'],
    ['default_client_config: { tls_config: { cert_file: c } }', 'want both'],
  ])('%s', (text, message) => {
    expect(() => parseEndpointConfig(text, undefined)).toThrow(message)
  })
})
