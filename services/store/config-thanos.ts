// Flags of Thanos's store gateway (cmd/thanos/store.go) that have no meaning here: taken with a line in the log, or refused.
// Owns the reasons.
import { commonForeignFlags, ignoredFlag, refusedFlag } from '../../lib/kit/foreign-flags.ts'

const oneCache = 'pages of indexes are cached in memory, as many as --index-cache-size says'
const noPage = 'there is no page of blocks here: the compactor has one'
const byPages = 'index-headers are read page by page, and only those that queries need'
const byBytes = 'what to fetch is planned from the sizes that the index tells'
const asNeeded = 'postings are read as far as a query needs them'

/** Values are texts, or undefined where not given. */
export const thanosFlags = {
  ...commonForeignFlags,
  thanosIndexCache: ignoredFlag('index-cache.config', oneCache),
  thanosIndexCacheFile: ignoredFlag('index-cache.config-file', oneCache),
  thanosCachingBucket: ignoredFlag('store.caching-bucket.config', 'chunks are not cached'),
  thanosCachingBucketFile: ignoredFlag('store.caching-bucket.config-file', 'chunks are not cached'),
  thanosMatcherCache: ignoredFlag('matcher-cache-size', 'matchers are compiled once a request'),
  thanosCacheHeaders: ignoredFlag('cache-index-header', 'index-headers are always kept in --data-dir', { isSwitch: true }), // biome-ignore format: one line
  thanosLazyReader: ignoredFlag('store.enable-index-header-lazy-reader', byPages, { isSwitch: true }),
  thanosLazyTimeout: ignoredFlag('store.index-header-lazy-reader-idle-timeout', byPages),
  thanosLazyDownload: ignoredFlag('store.index-header-lazy-download-strategy', byPages),
  thanosSampling: ignoredFlag('store.index-header-posting-offsets-in-mem-sampling', byPages),
  thanosLazyPostings: ignoredFlag('store.enable-lazy-expanded-postings', asNeeded, { isSwitch: true }),
  thanosPostingsRatio: ignoredFlag('store.posting-group-max-key-series-ratio', asNeeded),
  thanosChunkPool: ignoredFlag('chunk-pool-size', 'what requests hold is bounded for each of them'),
  thanosSeriesBatch: ignoredFlag('debug.series-batch-size', byBytes),
  thanosSeriesSize: ignoredFlag('debug.estimated-max-series-size', byBytes),
  thanosChunkSize: ignoredFlag('debug.estimated-max-chunk-size', byBytes),
  thanosDiscovery: ignoredFlag('block-discovery-strategy', 'the bucket is listed in one way'),
  thanosParquet: refusedFlag('objstore-parquet.config', 'blocks of Parquet are not read', { accepted: [''] }),
  thanosParquetFile: refusedFlag('objstore-parquet.config-file', 'blocks of Parquet are not read', { accepted: [''] }),
  thanosWebDisable: ignoredFlag('web.disable', noPage, { isSwitch: true }),
  thanosWebPrefix: ignoredFlag('web.external-prefix', noPage),
  thanosWebHeader: ignoredFlag('web.prefix-header', noPage),
  thanosWebCors: ignoredFlag('web.disable-cors', noPage, { isSwitch: true }),
  thanosWebLabel: ignoredFlag('bucket-web-label', noPage),
  thanosAdmin: ignoredFlag('disable-admin-operations', noPage, { isSwitch: true }),
}
