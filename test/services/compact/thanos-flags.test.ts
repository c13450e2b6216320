// Every flag of Thanos's compactor is one of ours, or taken with a line in the log: whoever swaps the image keeps the command line.
// The names: `thanos compact --help` and the hidden ones of cmd/thanos/compact.go (August 2026).
import { expect, test } from 'vitest'
import { flags } from '../../../services/compact/config.ts'

const thanosFlags = `
log.level log.format tracing.config-file tracing.config enable-auto-gomemlimit auto-gomemlimit.ratio http-address
http-grace-period http.config data-dir objstore.config-file objstore.config consistency-delay retention.resolution-raw
retention.resolution-5m retention.resolution-1h wait wait-interval downsampling.disable block-discovery-strategy
block-meta-fetch-concurrency block-files-concurrency block-viewer.global.sync-block-interval
block-viewer.global.sync-block-timeout compact.cleanup-interval compact.progress-interval compact.concurrency
compact.blocks-fetch-concurrency downsample.concurrency delete-delay deduplication.func deduplication.replica-label hash-func
min-time max-time web.disable selector.relabel-config-file selector.relabel-config web.route-prefix web.external-prefix
web.prefix-header web.disable-cors bucket-web-label disable-admin-operations debug.halt-on-error
debug.accept-malformed-index debug.max-compaction-level compact.enable-vertical-compaction compact.block-max-index-size
compact.skip-block-with-out-of-order-chunks`
  .trim()
  .split(/\s+/)

test("no flag of Thanos's compactor is unknown", () => {
  const ours = new Set(Object.values(flags).map(({ name }) => name))
  expect(thanosFlags.filter((name) => !ours.has(name))).toEqual([])
  expect(flags.wait.short).toBe('w')
})
