// Flags of Thanos's querier (cmd/thanos/query.go) that have no meaning here: taken with a line in the log, or refused.
// Refused is what would change answers or who may see them; docs/beside-thanos.md has the list for users.
// Owns the reasons.
import { commonForeignFlags, ignoredFlag, refusedFlag } from '../../lib/kit/foreign-flags.ts'

const oneEngine = 'there is one engine, which evaluates as Prometheus does'
const noTenants = 'tenants are not told apart'

/** By a key of their own each, as flags are everywhere; values are texts, or undefined where not given. */
export const thanosFlags = {
  thanosEngine: ignoredFlag('query.promql-engine', oneEngine),
  thanosFallback: ignoredFlag('query.disable-fallback', oneEngine, { isSwitch: true }),
  thanosXFunctions: refusedFlag('query.enable-x-functions', 'xrate and the like are not known: want the anchored and smoothed ranges of --enable-feature=promql-extended-range-selectors', { accepted: ['false'], isSwitch: true }), // biome-ignore format: one line
  thanosMode: refusedFlag('query.mode', 'want local: queries are not pushed down to other queriers', { accepted: ['local'] }), // biome-ignore format: one line
  thanosPartitionLabel: ignoredFlag('query.partition-label', 'it is about query.mode=distributed'),
  thanosOverlapping: ignoredFlag('query.distributed-with-overlapping-interval', 'it is about query.mode=distributed', { isSwitch: true }), // biome-ignore format: one line
  thanosSelects: ignoredFlag('query.max-concurrent-select', 'selectors of a query are read as its operators need them'),
  thanosActivePath: ignoredFlag('query.active-query-path', 'active queries are at /api/v1/status/active_queries'),
  thanosDefaultStep: ignoredFlag('query.default-step', 'it is a setting of the page of Thanos'),
  thanosAlertUrl: ignoredFlag('alert.query-url', 'it is a setting of the page of Thanos'),
  thanosProxyStrategy: ignoredFlag('grpc.proxy-strategy', 'series are always merged as they come'),
  thanosLazyResponses: ignoredFlag('query.lazy-retrieval-max-buffered-responses', 'series are always merged as they come'), // biome-ignore format: one line
  thanosDurations: ignoredFlag('query.telemetry.request-duration-seconds-quantiles', 'the buckets of these metrics are fixed'), // biome-ignore format: one line
  thanosSamples: ignoredFlag('query.telemetry.request-samples-quantiles', 'the buckets of these metrics are fixed'),
  thanosSeries: ignoredFlag('query.telemetry.request-series-seconds-quantiles', 'the buckets of these metrics are fixed'), // biome-ignore format: one line
  thanosTenantHeader: ignoredFlag('query.tenant-header', noTenants),
  thanosDefaultTenant: ignoredFlag('query.default-tenant-id', noTenants),
  thanosTenantLabel: ignoredFlag('query.tenant-label-name', noTenants),
  thanosTenantField: refusedFlag('query.tenant-certificate-field', noTenants, { accepted: [''] }),
  thanosEnforceTenancy: refusedFlag('query.enforce-tenancy', `${noTenants}: anyone would see everything`, { accepted: ['false'], isSwitch: true }), // biome-ignore format: one line
  thanosResolver: ignoredFlag('store.sd-dns-resolver', "names are resolved by the system's resolver"),
  thanosTestAddresses: refusedFlag('inject-test-addresses', 'it is for tests of Thanos', { accepted: [] }),
  thanosCompression: refusedFlag('grpc-compression', 'want none: snappy is not spoken', { accepted: ['none'] }),
  thanosClientTlsVersion: refusedFlag(
    'grpc-client-tls-min-version',
    'a client speaks TLS 1.2 and newer: want the minimum at the servers',
    { accepted: ['1.2'] },
  ),
  ...commonForeignFlags,
}
