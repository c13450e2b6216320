// Writes meta.json as Thanos does, byte for byte: field order, tabs, what is left out when empty.
// Specification: Prometheus tsdb/block.go, Thanos pkg/block/metadata; Go's omitempty never leaves out a struct.
// Owns the document's bytes.
import type { Labels } from '../labels/labels.ts'
import { formatGoJson, type JsonObject, type JsonValue } from './go-json.ts'
import type { BlockFile, BlockMeta, ThanosMeta } from './meta.ts'
import { parseUploadTimeMs } from './meta-parse.ts'

/** The document, tab indented, with a newline at its end. */
export function formatMeta(meta: BlockMeta): string {
  const { stats, compaction } = meta
  const document = fields(
    {
      ulid: meta.ulid,
      minTime: meta.minTime,
      maxTime: meta.maxTime,
      stats: fields(
        {
          numSamples: stats.numSamples || undefined,
          numFloatSamples: stats.numFloatSamples || undefined,
          numHistogramSamples: stats.numHistogramSamples || undefined,
          numSeries: stats.numSeries || undefined,
          numChunks: stats.numChunks || undefined,
          numTombstones: stats.numTombstones || undefined,
        },
        stats.unknown,
      ),
      compaction: fields(
        {
          level: compaction.level,
          sources: nonEmpty(compaction.sources),
          deletable: compaction.deletable || undefined,
          parents: nonEmpty(compaction.parents?.map((parent) => fields({ ...parent }))),
          failed: compaction.failed || undefined,
          hints: nonEmpty(compaction.hints),
        },
        compaction.unknown,
      ),
      version: 1,
      thanos: thanosSection(meta.thanos),
    },
    meta.unknown,
  )
  return `${formatGoJson(document, true)}\n`
}

function thanosSection(thanos: ThanosMeta): JsonObject {
  const { indexStats } = thanos
  return fields(
    {
      version: thanos.version,
      labels: labelsEntry(thanos.labels),
      downsample: fields({ resolution: thanos.resolutionMs }),
      source: thanos.source,
      segment_files: nonEmpty(thanos.segmentFiles),
      files: nonEmpty(thanos.files.map(fileEntry)),
      rewrites: nonEmpty(thanos.rewrites),
      index_stats: fields({
        series_max_size: indexStats.seriesMaxSize || undefined,
        chunk_max_size: indexStats.chunkMaxSize || undefined,
      }),
      extensions: thanos.extensions,
      upload_time: uploadTime(thanos),
    },
    thanos.unknown,
  )
}

function labelsEntry(labels: Labels): JsonObject {
  const object = new Map<string, string>()
  for (let i = 0; i < labels.length; i += 2) object.set(labels[i]!, labels[i + 1]!)
  return object
}

function fileEntry(file: BlockFile): JsonObject {
  const { hash } = file
  return fields({
    rel_path: file.relPath,
    size_bytes: file.sizeBytes || undefined,
    hash: hash && fields({ hashFunc: hash.func, value: hash.value }),
  })
}

// RFC 3339 as Go writes it: no zeros at the end of the fraction, year 1 for never.
function uploadTime({ uploadTimeMs, uploadTimeText }: ThanosMeta): string {
  if (uploadTimeText !== undefined && parseUploadTimeMs(uploadTimeText, 'meta.json') === uploadTimeMs)
    return uploadTimeText
  if (uploadTimeMs === 0) return '0001-01-01T00:00:00Z'
  return new Date(uploadTimeMs).toISOString().replace(/\.?0+Z$/, 'Z')
}

function nonEmpty<T>(items: readonly T[] | undefined): readonly T[] | undefined {
  return items && items.length > 0 ? items : undefined
}

function fields(known: Record<string, JsonValue | undefined>, unknown?: JsonObject): JsonObject {
  const entries = Object.entries(known).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined)
  return new Map([...entries, ...(unknown ?? [])])
}
