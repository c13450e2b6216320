// Every flag of Thanos's store gateway is decided on: supported, taken with a line in the log, or refused.
// Subject: services/store/config.ts, config-thanos.ts; docs/beside-thanos.md tells users the same.
// The list is that of Thanos of August 2026 (cmd/thanos/store.go), hidden flags among them.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { checkFlags, flags } from '../../../services/store/config.ts'
import { thanosFlags } from '../../../services/store/config-thanos.ts'

const supported = `
  log.level log.format http-address http-grace-period http.config grpc-address grpc-server-tls-cert grpc-server-tls-key
  grpc-server-tls-client-ca grpc-server-tls-min-version grpc-server-tls-ciphers grpc-server-tls-curves
  grpc-server-max-connection-age grpc-grace-period store.limits.request-series store.limits.request-samples data-dir
  index-cache-size store.grpc.touched-series-limit store.grpc.series-sample-limit store.grpc.downloaded-bytes-limit
  store.grpc.series-max-concurrency objstore.config objstore.config-file sync-block-duration block-sync-concurrency
  block-meta-fetch-concurrency min-time max-time selector.relabel-config selector.relabel-config-file consistency-delay
  ignore-deletion-marks-delay request.logging-config request.logging-config-file`

const known = Object.values(flags).map(({ name }) => name)
const foreign = Object.values(thanosFlags).map(({ name }) => name)
const page = readFileSync(new URL('../../../docs/beside-thanos.md', import.meta.url), 'utf8')

test('each is there, and told where it is not simply supported', () => {
  for (const name of supported.trim().split(/\s+/)) {
    expect(known).toContain(name)
    expect(foreign).not.toContain(name)
  }
  for (const name of foreign) expect(page).toContain(`\`--${name}\``)
})

test('a command line of Thanos starts; blocks of another format do not', () => {
  const parse = (...args: string[]) => checkFlags(parseFlags('store', '', flags, args))
  parse('--no-cache-index-header', '--chunk-pool-size=4GB', '--index-cache.config={type: IN-MEMORY}', '--web.disable')
  expect(() => parse('--objstore-parquet.config={type: S3}')).toThrow('flag --objstore-parquet.config')
})
