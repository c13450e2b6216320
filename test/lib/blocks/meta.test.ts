// meta.json: every document of the golden data comes back byte for byte; what is wrong in one is named.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { groupKey, withExternalLabels } from '../../../lib/blocks/meta.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import type { MnemoError } from '../../../lib/kit/errors.ts'
import { goldenPath } from '../../support/golden.ts'

const documents = readdirSync(goldenPath(), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('/meta.json'))
  .map((name) => ({ name, text: readFileSync(goldenPath(name), 'utf8') }))
const written = documents.filter(({ text }) => text.includes('"thanos"'))

test.each(written)('$name comes back byte for byte', ({ text }) => {
  expect(formatMeta(parseMeta(text, 'meta.json'))).toBe(text)
  const { uploadTimeText: _, ...thanos } = parseMeta(text, 'meta.json').thanos
  const fresh = formatMeta({ ...parseMeta(text, 'meta.json'), thanos })
  expect(parseMeta(fresh, 'meta.json').thanos.uploadTimeMs).toBe(thanos.uploadTimeMs)
})

test("Prometheus's own metas have no Thanos section", () => {
  const own = documents.filter(({ text }) => !text.includes('"thanos"'))
  for (const { text, name } of own) {
    const meta = parseMeta(text, name)
    expect(meta.thanos).toMatchObject({ labels: [], resolutionMs: 0, source: '', files: [], uploadTimeMs: 0 })
    const prometheus = formatMeta(meta).replace(/,\n\t"thanos": .*$/s, '\n}')
    expect(prometheus).toBe(text)
  }
})

const ulid = '01M81VCRDH86F0WF0CFPEZ0BKC'
const full = `{
	"ulid": "${ulid}",
	"minTime": 0,
	"maxTime": 7200000,
	"stats": {
		"numSamples": 5,
		"numFloatSamples": 3,
		"numHistogramSamples": 2,
		"numSeries": 1,
		"numChunks": 1,
		"numTombstones": 4,
		"numExemplars": 7
	},
	"compaction": {
		"level": 2,
		"sources": [
			"${ulid}"
		],
		"deletable": true,
		"parents": [
			{
				"ulid": "${ulid}",
				"minTime": 0,
				"maxTime": 3600000
			}
		],
		"failed": true,
		"hints": [
			"from-out-of-order"
		],
		"since": {
			"b": 1,
			"a": [
				1.5,
				null,
				{}
			]
		}
	},
	"version": 1,
	"thanos": {
		"version": 1,
		"labels": {
			"1": "html \\u003cb\\u003e \\u0026 \\u2028",
			"cluster": "tab\\t \\"quote\\" \u{1f600}"
		},
		"downsample": {
			"resolution": 300000
		},
		"source": "compactor",
		"segment_files": [
			"000001"
		],
		"files": [
			{
				"rel_path": "chunks/000001",
				"size_bytes": 10,
				"hash": {
					"hashFunc": "SHA256",
					"value": "abc"
				}
			},
			{
				"rel_path": "meta.json"
			}
		],
		"rewrites": [
			{
				"sources": [
					"${ulid}"
				]
			}
		],
		"index_stats": {
			"series_max_size": 100,
			"chunk_max_size": 200
		},
		"extensions": {
			"tenant": 5
		},
		"upload_time": "0001-01-01T00:00:00Z",
		"shard": "1_of_2"
	},
	"format": "next"
}
`

test('all fields, known and unknown', () => {
  const meta = parseMeta(full, 'meta.json')
  expect(formatMeta(meta)).toBe(full)
  expect(meta.thanos).toMatchObject({ resolutionMs: 300_000, uploadTimeMs: 0, indexStats: { seriesMaxSize: 100 } })
  expect(meta.compaction.parents).toEqual([{ ulid, minTime: 0, maxTime: 3_600_000 }])
})

test('what changes is written anew, what is unknown stays', () => {
  const meta = withExternalLabels(parseMeta(full, 'meta.json'), ['replica', 'b'], 'bucket.rewrite')
  const changed: BlockMeta = { ...meta, thanos: { ...meta.thanos, uploadTimeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 60) } }
  const text = formatMeta(changed)
  expect(text).toContain('"upload_time": "2026-01-02T03:04:05.06Z"')
  expect(text).toContain('"labels": {\n\t\t\t"replica": "b"\n\t\t}')
  expect(text).toContain('"shard": "1_of_2"')
  expect(groupKey(changed)).not.toBe(groupKey(parseMeta(full, 'meta.json')))
})

test.each([
  ['2026-01-02T03:04:05Z', Date.UTC(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02T03:04:30.1Z', Date.UTC(2026, 0, 2, 3, 4, 30, 100)],
  ['2026-01-02T03:00:00Z', Date.UTC(2026, 0, 2, 3)],
])('the upload time %s is written as Go does it', (want, uploadTimeMs) => {
  const { uploadTimeText: _, ...thanos } = parseMeta(full, 'meta.json').thanos
  const text = formatMeta({ ...parseMeta(full, 'meta.json'), thanos: { ...thanos, uploadTimeMs } })
  expect(/"upload_time": "(.*)"/.exec(text)?.[1]).toBe(want)
})

test.each([
  ['no sources', '{"level": 1}'],
  ['an empty list', '{"level": 1, "sources": []}'],
  ['no compaction', '{}'],
])('a block that names no source is its own, so that no other one covers it: %s', (_name, compaction) => {
  const text = `{"ulid": "${ulid}", "minTime": 0, "maxTime": 1, "version": 1, "compaction": ${compaction}}`
  expect(parseMeta(text, 'meta.json').compaction.sources).toEqual([ulid])
})

test('int64 extremes mean no bound, and are clamped', () => {
  const meta = parseMeta(full.replace('"maxTime": 7200000', '"maxTime": 9223372036854775807'), 'meta.json')
  expect(meta.maxTime).toBe(Number.MAX_SAFE_INTEGER)
})

describe('what is wrong is named', () => {
  const problem = (text: string | Uint8Array) => {
    try {
      parseMeta(text, `${ulid}/meta.json`)
    } catch (error) {
      const { code, message } = error as MnemoError
      return `${code} ${message}`
    }
    return 'no error'
  }
  test.each([
    ['', 'corrupt', 'no JSON'],
    ['{"ulid": ', 'corrupt', 'no JSON'],
    ['[]', 'corrupt', 'want an object'],
    ['null', 'corrupt', 'want an object'],
    ['{}', 'corrupt', 'version'],
    [full.replace('"version": 1,\n\t"thanos"', '"version": 2,\n\t"thanos"'), 'unsupported', 'version 2'],
    [full.replace('"version": 1,\n\t\t"labels"', '"version": 2,\n\t\t"labels"'), 'unsupported', 'thanos.version 2'],
    [full.replace(ulid, 'not-a-ulid'), 'corrupt', 'want a ULID'],
    [full.replace('"minTime": 0', '"minTime": "0"'), 'corrupt', 'minTime "0"'],
    [full.replace('"minTime": 0', '"minTime": 7200001'), 'corrupt', 'minTime first'],
    [full.replace('"numSamples": 5', '"numSamples": -5'), 'corrupt', 'stats.numSamples -5'],
    [full.replace('chunks/000001', '../../etc/passwd'), 'corrupt', 'want a path within the block'],
    [full.replace('"000001"', '"a/../../b"'), 'corrupt', 'thanos.segment_files[0]'],
    [full.replace('0001-01-01T00:00:00Z', 'never'), 'corrupt', 'upload_time "never"'],
    [full.replace('"cluster": "', '"cluster": 5, "x": "'), 'corrupt', 'thanos.labels.cluster 5'],
    [`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'corrupt', 'no JSON'],
  ])('%#', (text, code, want) => {
    expect(problem(text)).toMatch(new RegExp(`^${code} cannot read ${ulid}/meta.json: `))
    expect(problem(text)).toContain(want)
  })

  test('a document that is too large', () => {
    expect(problem(new Uint8Array(16 * 1024 * 1024 + 1))).toContain('want at most 16777216')
  })
})
