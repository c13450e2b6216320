// Every flag of Thanos's querier is decided on: supported, taken with a line in the log, or refused with its reason.
// Subject: services/query/config.ts, config-thanos.ts, lib/kit/foreign-flags.ts; docs/beside-thanos.md tells users the same.
// The list is that of Thanos of August 2026 (cmd/thanos/query.go, cmd/thanos/config.go, cmd/thanos/main.go), hidden flags among them.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../../lib/kit/foreign-flags.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { checkFlags, flags, flagTexts } from '../../../services/query/config.ts'
import { thanosFlags } from '../../../services/query/config-thanos.ts'

const supported = `
  log.level log.format http-address http-grace-period http.config
  grpc-address grpc-server-tls-cert grpc-server-tls-key grpc-server-tls-client-ca grpc-server-max-connection-age grpc-grace-period
  grpc-client-tls-secure grpc-client-tls-skip-verify grpc-client-tls-cert grpc-client-tls-key grpc-client-tls-ca
  grpc-client-server-name web.route-prefix web.external-prefix web.prefix-header web.disable-cors
  query.timeout query.max-concurrent query.lookback-delta query.dynamic-lookback-delta query.conn-metric.label deduplication.func
  query.replica-label query.instant.default.max_source_resolution query.metadata.default-time-range selector-label
  query.auto-downsampling query.partial-response rule.partial-response target.partial-response metric-metadata.partial-response
  exemplar.partial-response status.partial-response enable-feature query.default-evaluation-interval store.response-timeout
  selector.relabel-config selector.relabel-config-file request.logging-config request.logging-config-file
  store.sd-dns-interval store.unhealthy-timeout endpoint.info-timeout endpoint.sd-config endpoint.sd-config-file
  endpoint.sd-config-reload-interval store.sd-files store.sd-interval endpoint endpoint-group endpoint-strict endpoint-group-strict
  store.limits.request-series store.limits.request-samples grpc-server-tls-min-version grpc-server-tls-ciphers
  grpc-server-tls-curves`

const ignored = `
  tracing.config tracing.config-file enable-auto-gomemlimit auto-gomemlimit.ratio debug.name query.promql-engine
  query.disable-fallback query.max-concurrent-select query.partition-label query.distributed-with-overlapping-interval
  query.active-query-path query.default-step alert.query-url grpc.proxy-strategy query.lazy-retrieval-max-buffered-responses
  query.telemetry.request-duration-seconds-quantiles query.telemetry.request-samples-quantiles
  query.telemetry.request-series-seconds-quantiles query.tenant-header query.default-tenant-id query.tenant-label-name
  store.sd-dns-resolver`

const refused = `
  grpc-client-tls-min-version grpc-compression
  query.enable-x-functions query.mode query.tenant-certificate-field query.enforce-tenancy inject-test-addresses`

const namesOf = (text: string) => text.trim().split(/\s+/)
const known = Object.values(flags).map(({ name }) => name)
const page = readFileSync(new URL('../../../docs/beside-thanos.md', import.meta.url), 'utf8')

test('each is there, and told where it is not simply supported', () => {
  for (const name of namesOf(supported + ignored + refused)) expect(known).toContain(name)
  const foreign = Object.values(thanosFlags).map((flag) => flag.name)
  expect([...foreign].sort()).toEqual(namesOf(ignored + refused).sort())
  for (const name of foreign) expect(page).toContain(`\`--${name}\``)
})

function parsed(...argv: string[]) {
  return checkFlags(parseFlags('query', '', flags, argv))
}

test('ignored ones are taken as Thanos takes them, each with a line that says why', () => {
  const lines: string[] = []
  const logger = createLogger({ sink: { write: (line) => lines.push(line) } })
  const values = parsed('--query.promql-engine=thanos', '--no-enable-auto-gomemlimit', '--query.telemetry.request-samples-quantiles=1', '--query.telemetry.request-samples-quantiles=2') // biome-ignore format: one line
  warnOfIgnored(flags, values, logger)
  expect(lines.map((line) => /msg="(.*?):/.exec(line)![1])).toEqual([
    '--query.promql-engine has no effect',
    '--query.telemetry.request-samples-quantiles has no effect',
    '--enable-auto-gomemlimit has no effect',
  ])
  expect(flagTexts(values)).toMatchObject({ 'query.promql-engine': 'thanos' })
  expect(flagTexts(parsed())).not.toHaveProperty('query.promql-engine')
})

describe('refused', () => {
  test.each([
    ['--query.mode=distributed', 'want local'],
    ['--query.enforce-tenancy', 'anyone would see everything'],
    ['--query.enable-x-functions', 'promql-extended-range-selectors'],
    ['--grpc-compression=snappy', 'snappy is not spoken'],
    ['--grpc-client-tls-min-version=1.3', 'TLS 1.2 and newer'],
  ])('%s', (argument, why) => {
    const name = argument.replace(/=.*/, '')
    expect(() => parsed(argument)).toThrow(expect.objectContaining({ code: 'config', message: expect.stringContaining(`flag ${name}`) })) // biome-ignore format: one line
    try {
      parsed(argument)
    } catch (error) {
      expect(String((error as Error).cause)).toContain(why)
    }
  })

  test('values that say what is so anyhow are taken', () => {
    parsed('--query.mode=local', '--no-query.enforce-tenancy', '--grpc-compression=none', '--grpc-client-tls-min-version=1.2') // biome-ignore format: one line
  })
})

test('features that Prometheus has for good are taken', () => {
  parsed('--enable-feature=promql-at-modifier,promql-negative-offset,query-pushdown')
  expect(() => parsed('--enable-feature=nothing')).toThrow('want any of')
})
