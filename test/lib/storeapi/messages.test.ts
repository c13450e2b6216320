// The hand-written Series codec against the generated one, int64's extremes, unknown fields, and bytes that are no message.
import { describe, expect, test } from 'vitest'
import { thanos } from '../../../build/proto.js'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { BackWriter } from '../../../lib/storeapi/back-writer.ts'
import {
  decodeSeriesRequest,
  encodeSeriesRequest,
  encodeSeriesResponse,
  SeriesDecoder,
} from '../../../lib/storeapi/messages.ts'
import { ProtoReader } from '../../../lib/storeapi/proto-reader.ts'
import { ProtoWriter } from '../../../lib/storeapi/proto-writer.ts'
import { noBoundMs, type SeriesRequest, type SeriesResponse } from '../../../lib/storeapi/types.ts'

const series: SeriesResponse = {
  kind: 'series',
  series: {
    labels: ['__name__', 'up', 'ü', '😀 <b>'],
    chunks: [
      { minTime: -5, maxTime: 1, raw: { type: 0, data: Uint8Array.of(1, 2, 3), hash: 2n ** 64n - 1n } },
      { minTime: 1_700_000_000_000, maxTime: noBoundMs, counter: { type: 2, data: new Uint8Array(0), hash: 0n } },
    ],
  },
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof MnemoError) return error.code
    throw error
  }
  return 'nothing'
}

describe('SeriesResponse', () => {
  test('what is written is read by the generated code', () => {
    const read = thanos.SeriesResponse.decode(encodeSeriesResponse(series))
    expect(read.series?.labels).toEqual([
      { name: '__name__', value: 'up' },
      { name: 'ü', value: '😀 <b>' },
    ])
    expect(read.series?.chunks?.map(({ minTime, maxTime }) => [String(minTime), String(maxTime)])).toEqual([
      ['-5', '1'],
      ['1700000000000', '9223372036854775807'],
    ])
    expect(String(read.series?.chunks?.[0]?.raw?.hash)).toBe('18446744073709551615')
  })

  test('series, warnings and hints come back as they were', () => {
    const responses: SeriesResponse[] = [
      series,
      { kind: 'warning', warning: '' },
      { kind: 'warning', warning: 'a store is down' },
      { kind: 'hints', queriedBlocks: [] },
      { kind: 'hints', queriedBlocks: ['01A', '01B'] },
    ]
    const decoder = new SeriesDecoder()
    for (const response of responses) {
      const [read, ...rest] = decoder.decode(encodeSeriesResponse(response))
      expect(rest).toEqual([])
      expect(JSON.stringify(read, bigintAsText)).toBe(JSON.stringify(response, bigintAsText))
    }
  })

  test('chunk data are views on the frame', () => {
    const frame = encodeSeriesResponse(series)
    const [read] = new SeriesDecoder().decode(frame)
    if (read?.kind !== 'series') throw new Error('want a series')
    expect(read.series.chunks[0]?.raw?.data.buffer).toBe(frame.buffer)
  })

  test('unknown fields and other hints are skipped', () => {
    const writer = new ProtoWriter()
    writer.intField(15, 7)
    writer.message(1, (nested) => {
      nested.stringField(9, 'new')
      nested.message(1, (label) => {
        label.stringField(1, 'a')
        label.stringField(2, 'b')
        label.intField(3, -1)
      })
    })
    writer.message(3, (any) => any.stringField(1, 'type.googleapis.com/else'))
    expect(new SeriesDecoder().decode(writer.finish())).toEqual([
      { kind: 'series', series: { labels: ['a', 'b'], chunks: [] } },
    ])
  })

  test('labels out of order are put in order, whatever the series before had', () => {
    const decoder = new SeriesDecoder()
    const decode = (...labels: string[]) => {
      const [read] = decoder.decode(encodeSeriesResponse({ kind: 'series', series: { labels, chunks: [] } }))
      return read?.kind === 'series' ? read.series.labels : undefined
    }
    expect(decode('a', '1', 'b', '2')).toEqual(['a', '1', 'b', '2'])
    expect(decode('b', '2', 'a', '1')).toEqual(['a', '1', 'b', '2'])
    expect(decode('b', '2', 'a', '1')).toEqual(['a', '1', 'b', '2'])
    expect(decode('a', '1', 'b', '3', 'c', '4')).toEqual(['a', '1', 'b', '3', 'c', '4'])
    expect(codeOf(() => decode('a', '1', 'a', '1'))).toBe('corrupt')
  })

  test('every cut of a frame is corrupt or a shorter message, never another error', () => {
    const frame = encodeSeriesResponse(series)
    for (let length = 1; length < frame.length; length++)
      expect(codeOf(() => new SeriesDecoder().decode(frame.subarray(0, length)))).toBe('corrupt')
  })

  test('flipped bytes never make another error than corrupt', () => {
    const frame = encodeSeriesResponse(series)
    for (let i = 0; i < frame.length; i++)
      for (const bit of [1, 8, 128]) {
        const bad = Buffer.from(frame)
        bad[i]! ^= bit
        expect(['nothing', 'corrupt']).toContain(codeOf(() => new SeriesDecoder().decode(bad)))
      }
  })

  test('a label that is not UTF-8 is corrupt', () => {
    const frame = encodeSeriesResponse({ kind: 'series', series: { labels: ['a', 'xy'], chunks: [] } })
    frame[frame.length - 1] = 0xff
    expect(codeOf(() => new SeriesDecoder().decode(frame))).toBe('corrupt')
  })
})

describe('SeriesRequest', () => {
  const request: SeriesRequest = {
    minTime: -noBoundMs,
    maxTime: noBoundMs,
    matchers: [
      { type: '!~', name: 'a', value: 'b.*' },
      { type: '=', name: 'c', value: '' },
    ],
    maxResolutionWindow: 300_000,
    aggregates: [0, 5],
    partialResponseDisabled: true,
    skipChunks: true,
    step: 15_000,
    range: 300_000,
    withoutReplicaLabels: ['replica'],
    limit: 3,
    responseBatchSize: 64,
    shard: { index: 1, total: 3, by: true, labels: ['a', ''] },
  }

  test('comes back as it was', () => {
    expect(decodeSeriesRequest(encodeSeriesRequest(request))).toEqual(request)
  })

  test('the generated code reads it', () => {
    const read = thanos.SeriesRequest.decode(encodeSeriesRequest(request))
    expect([read.minTime, read.maxTime].map(String)).toEqual(['-9223372036854775808', '9223372036854775807'])
    expect(read.aggregates).toEqual([0, 5])
    expect(read.partialResponseStrategy).toBe(thanos.PartialResponseStrategy.ABORT)
    expect(String(read.queryHints?.range?.millis)).toBe('300000')
    expect(read.shardInfo?.labels).toEqual(['a', ''])
    expect(Number(read.responseBatchSize)).toBe(64)
  })

  test('aggregates that are not packed, and the strategy alone', () => {
    const bytes = Buffer.from([0x28, 1, 0x28, 2, 0x28, 2, 0x38, 1])
    expect(decodeSeriesRequest(bytes)).toMatchObject({ aggregates: [1, 2], partialResponseDisabled: true })
  })

  test('values that cannot be are bad data', () => {
    expect(codeOf(() => decodeSeriesRequest(Buffer.from([0x28, 6])))).toBe('bad_data')
    expect(codeOf(() => decodeSeriesRequest(Buffer.from([0x1a, 2, 0x08, 4])))).toBe('bad_data')
    expect(codeOf(() => decodeSeriesRequest(Buffer.from([0x1a, 9])))).toBe('corrupt')
    expect(codeOf(() => decodeSeriesRequest(Buffer.alloc(20_100 * 2, Buffer.from([0x1a, 0]))))).toBe('bad_data')
  })
})

describe('integers', () => {
  const readInt64 = (value: number) => {
    const writer = new ProtoWriter(1)
    writer.int64(value)
    const bytes = writer.finish()
    const back = new BackWriter(11)
    back.intField(1, value)
    expect(back.finish()).toEqual(value === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([8]), bytes]))
    return new ProtoReader('test', bytes).int64()
  }

  test('int64 in both directions, at every border', () => {
    const borders = Array.from({ length: 53 }, (_, i) => 2 ** i).flatMap((n) => [n - 1, n, n + 1])
    for (const n of [...borders, 2 ** 53 - 2, 2 ** 53 - 1].filter(Number.isSafeInteger)) {
      expect(readInt64(n)).toBe(n)
      expect(readInt64(-n)).toBe(0 - n)
    }
  })

  test('int64 beyond 53 bits is clamped', () => {
    const clamp = (value: bigint) => {
      const writer = new ProtoWriter()
      writer.uint64(BigInt.asUintN(64, value))
      return new ProtoReader('test', writer.finish()).int64()
    }
    expect(clamp(2n ** 63n - 1n)).toBe(noBoundMs)
    expect(clamp(-(2n ** 63n))).toBe(-noBoundMs)
    expect(clamp(2n ** 53n)).toBe(noBoundMs)
    expect(clamp(-(2n ** 60n))).toBe(-noBoundMs)
  })

  test('uint64 in both directions', () => {
    for (let bit = 0n; bit < 64n; bit++)
      for (const value of [2n ** bit, 2n ** bit - 1n, 2n ** 64n - 2n ** bit]) {
        const writer = new ProtoWriter(1)
        writer.uint64(value)
        const bytes = writer.finish()
        const back = new BackWriter(11)
        back.uint64Field(1, value)
        expect(back.finish()).toEqual(value === 0n ? Buffer.alloc(0) : Buffer.concat([Buffer.from([8]), bytes]))
        expect(new ProtoReader('test', bytes).uint64()).toBe(value)
      }
  })

  test('a varint of eleven bytes is corrupt', () => {
    const bytes = Buffer.alloc(11, 0xff)
    expect(codeOf(() => new ProtoReader('test', bytes).int64())).toBe('corrupt')
    expect(codeOf(() => new ProtoReader('test', bytes).uint64())).toBe('corrupt')
    expect(codeOf(() => new ProtoReader('test', bytes).uint32())).toBe('corrupt')
  })
})

function bigintAsText(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array ? [...value] : value
}
