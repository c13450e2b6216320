// Every metric that Thanos's mixin (its alerts, rules and dashboards) asks of sidecar, store and query is there under its name.
// The list is that of Thanos of August 2026 (mixin/{alerts,rules,dashboards}/{sidecar,store,query}.libsonnet); the reference, which is
// held against the running services by another test, says who has what. The compactor's are in test/services/compact.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const ofServers = ['grpc_server_handled_total', 'grpc_server_handling_seconds', 'grpc_server_started_total']
const ofBuckets = [
  'thanos_objstore_bucket_operations_total',
  'thanos_objstore_bucket_operation_failures_total',
  'thanos_objstore_bucket_operation_duration_seconds',
]

const asked: Readonly<Record<string, readonly string[]>> = {
  sidecar: [
    ...ofServers,
    ...ofBuckets,
    'thanos_objstore_bucket_last_successful_upload_time',
    'thanos_sidecar_prometheus_up',
  ],
  store: [
    ...ofServers,
    ...ofBuckets,
    'thanos_bucket_store_block_drop_failures_total',
    'thanos_bucket_store_block_drops_total',
    'thanos_bucket_store_block_load_failures_total',
    'thanos_bucket_store_block_loads_total',
    'thanos_bucket_store_sent_chunk_size_bytes',
    'thanos_bucket_store_series_blocks_queried',
    'thanos_bucket_store_series_data_fetched',
    'thanos_bucket_store_series_data_touched',
    'thanos_bucket_store_series_gate_duration_seconds',
    'thanos_bucket_store_series_get_all_duration_seconds',
    'thanos_bucket_store_series_merge_duration_seconds',
    'thanos_bucket_store_series_result_series',
    'thanos_store_index_cache_hits_total',
    'thanos_store_index_cache_items_added_total',
    'thanos_store_index_cache_items_evicted_total',
    'thanos_store_index_cache_requests_total',
  ],
  query: [
    ...ofServers,
    'grpc_client_handled_total',
    'grpc_client_handling_seconds',
    'grpc_client_started_total',
    'http_request_duration_seconds',
    'http_requests_total',
    'thanos_query_concurrent_gate_queries_in_flight',
    'thanos_query_concurrent_gate_queries_max',
    'thanos_query_store_apis_dns_failures_total',
    'thanos_query_store_apis_dns_lookups_total',
  ],
}

/**
 * Not here: go_* of the dashboards' rows "Resources" is about Go's runtime (process_* and nodejs_* tell of ours), and
 * prometheus_tsdb_data_replay_duration_seconds, beside which an alert sets thanos_sidecar_prometheus_up, is Prometheus's own.
 */
const reference = readFileSync(new URL('../../docs/reference.md', import.meta.url), 'utf8')

test.each(Object.keys(asked))('%s', (service) => {
  const services = new Map(
    [...reference.matchAll(/^\| `([^`]+)` \| \w+ \| ([^|]+) \|/gm)].map(([, name, of]) => [name, of!.split(', ')]),
  )
  for (const name of asked[service]!) expect({ name, of: services.get(name) }).toEqual({ name, of: expect.arrayContaining([service]) }) // biome-ignore format: one line
})
