// The messages of Rules, Targets, Exemplars, Status and Metadata against the generated codec, both ways.
// Subject: lib/storeapi/proto-message.ts, peer-call.ts and the APIs' own files. The .proto files are the specification.
import { describe, expect, test } from 'vitest'
import { thanos } from '../../../build/proto.js'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { exemplarsCall } from '../../../lib/storeapi/exemplars.ts'
import { metadataCall, metadataItem } from '../../../lib/storeapi/metadata.ts'
import { encodePeerAnswer, PeerAnswerReader } from '../../../lib/storeapi/peer-call.ts'
import { int, list, message, text, zeroTimeNs } from '../../../lib/storeapi/proto-message.ts'
import { rulesCall } from '../../../lib/storeapi/rules.ts'
import { targetsCall } from '../../../lib/storeapi/targets.ts'
import { statusCall } from '../../../lib/storeapi/tsdb-status.ts'
import { noBoundMs } from '../../../lib/storeapi/types.ts'

const evaluatedNs = 1_700_000_000_123_456_789n
const labels = ['cluster', 'ü', 'severity', 'page']

const alert = {
  labels,
  annotations: ['summary', 'is 1'],
  state: 3,
  activeAtNs: evaluatedNs,
  value: '1e+00',
  strategy: 0,
  keepFiringSinceNs: undefined,
}
const common = { labels, health: 'ok', lastError: '', evaluationSeconds: 0.25, lastEvaluationNs: evaluatedNs }
const group = {
  name: 'g',
  file: '/f.yml',
  rules: [
    { recording: { ...common, name: 'r', query: 'sum(up)' }, alert: undefined },
    {
      recording: undefined,
      alert: {
        ...common,
        name: 'A',
        query: 'up > 0',
        state: 3,
        durationSeconds: 60,
        annotations: [],
        alerts: [alert],
        keepFiringForSeconds: 5,
        lastEvaluationNs: zeroTimeNs,
      },
    },
  ],
  intervalSeconds: 15,
  evaluationSeconds: Number.NaN,
  lastEvaluationNs: -1n,
  strategy: 1,
  limit: 7,
}

const targets = {
  active: [
    {
      discoveredLabels: ['__address__', 'a:1'],
      labels,
      scrapePool: 'p',
      scrapeUrl: 'http://a:1/metrics',
      globalUrl: 'http://b:1/metrics',
      lastError: 'refused',
      lastScrapeNs: evaluatedNs,
      lastScrapeSeconds: 0.5,
      health: 2,
      scrapeInterval: '15s',
      scrapeTimeout: '10s',
    },
  ],
  dropped: [{ discoveredLabels: ['__address__', 'b:1'], scrapePool: 'p' }],
  droppedCounts: [{ scrapePool: 'p', count: 12, externalLabels: labels }],
}
const series = {
  seriesLabels: labels,
  exemplars: [{ labels: ['trace_id', 'x'], value: Number.NEGATIVE_INFINITY, timeMs: -5 }],
}
const tenants = {
  byTenant: new Map([
    [
      '',
      {
        head: { numSeries: 2, numLabelPairs: 3, chunkCount: 4, minTime: noBoundMs, maxTime: -noBoundMs },
        seriesCountByMetricName: [{ name: 'up', value: 2 }],
        labelValueCountByLabelName: [],
        memoryInBytesByLabelName: [{ name: 'job', value: 9 }],
        seriesCountByLabelValuePair: [],
      },
    ],
  ]),
}
const metadata = metadataItem(new Map([['up', [{ type: 'gauge', help: 'é', unit: '' }]]]))

/** Frames written and read again, and once more after the generated codec has read and written them. */
function through<Item>(
  call: { readonly item: Parameters<typeof encodePeerAnswer<Item>>[0]['item'] },
  item: Item,
  generated: { decode(bytes: Uint8Array): object; encode(message: object): { finish(): Uint8Array } },
): readonly Item[] {
  const reader = new PeerAnswerReader(call)
  for (const frame of encodePeerAnswer(call, { items: [item], warnings: ['half'] })) {
    reader.add(frame)
    reader.add(Buffer.from(generated.encode(generated.decode(frame)).finish()))
  }
  expect(reader.warnings).toEqual(['half', 'half'])
  return reader.items
}

describe('answers come back as they were, also by way of the generated codec', () => {
  test('Rules', () => expect(through(rulesCall, group, thanos.RulesResponse)).toEqual([group, group]))
  test('Targets', () => expect(through(targetsCall, targets, thanos.TargetsResponse)).toEqual([targets, targets]))
  test('Exemplars', () => expect(through(exemplarsCall, series, thanos.ExemplarsResponse)).toEqual([series, series]))
  test('Status', () => expect(through(statusCall, tenants, thanos.TSDBStatisticsResponse)).toEqual([tenants, tenants]))
  test('Metadata', () =>
    expect(through(metadataCall, metadata, thanos.MetricMetadataResponse)).toEqual([metadata, metadata]))
})

test('requests are what the generated code writes', () => {
  const rules = { type: 1, strategy: 1, matchers: ['{a="b"}'], ruleNames: ['r'], groupNames: ['', 'g'], files: ['f'] }
  const asGenerated = {
    type: 1,
    partialResponseStrategy: 1,
    matcherString: ['{a="b"}'],
    ruleName: ['r'],
    ruleGroup: ['', 'g'],
    file: ['f'],
  }
  expect(rulesCall.request.encode(rules)).toEqual(Buffer.from(thanos.RulesRequest.encode(asGenerated).finish()))
  expect(rulesCall.request.decode(rulesCall.request.encode(rules))).toEqual(rules)
  const status = { tenant: 't', limit: 10, strategy: 0, matchers: [{ type: 2, name: 'a', value: 'x.*' }] }
  const bytes = thanos.TSDBStatisticsRequest.encode({ tenant: 't', limit: 10, matchers: status.matchers }).finish()
  expect(statusCall.request.decode(bytes)).toEqual(status)
  const metadataBytes = thanos.MetricMetadataRequest.encode({ metric: 'up', limit: -1 }).finish()
  expect(metadataCall.request.decode(metadataBytes)).toEqual({ metric: 'up', limit: -1, strategy: 0 })
})

test('unknown fields are skipped; what is no message is named', () => {
  const newer = message('newer', { name: text(1), later: list(9, message('inner', { n: int(3) })) })
  const bytes = newer.encode({ name: 'x', later: [{ n: 1 }, { n: -2 }] })
  expect(message('older', { name: text(1) }).decode(bytes)).toEqual({ name: 'x' })
  const reader = new PeerAnswerReader(rulesCall)
  expect(() => reader.add(Buffer.from([0x0a, 0x05, 0x01]))).toThrow(MnemoError)
})

test('a time beyond what can be written as a date is its bound', () => {
  const bytes = thanos.RulesResponse.encode({ group: { name: 'g', lastEvaluation: { seconds: 1e15 } } }).finish()
  const reader = new PeerAnswerReader(rulesCall)
  reader.add(Buffer.from(bytes))
  expect(reader.items[0]!.lastEvaluationNs).toBe(253_402_300_799_000_000_000n)
})
