// Remote read: requests as Prometheus reads them; streamed answers in every cut, broken ones; answers of samples.
import { compress, uncompress } from 'snappy'
import { expect, test } from 'vitest'
import { prometheus } from '../../../build/proto.js'
import { crc32c } from '../../../lib/bytes/crc32c.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import {
  decodeChunkedResponse,
  decodeSamplesResponse,
  encodeReadRequest,
  type RemoteSeries,
} from '../../../lib/storeapi/remote-read.ts'

const bigData = new Uint8Array(3000).map((_, i) => i)

const messages: prometheus.IChunkedReadResponse[] = [
  {
    chunkedSeries: [
      {
        labels: [
          { name: 'a', value: 'b' },
          { name: 'c', value: 'ü' },
        ],
        chunks: [
          { minTimeMs: 1, maxTimeMs: 2, type: prometheus.Chunk.Encoding.XOR, data: Uint8Array.of(1, 2) },
          { minTimeMs: -3, maxTimeMs: 4, type: prometheus.Chunk.Encoding.FLOAT_HISTOGRAM, data: bigData },
        ],
      },
    ],
  },
  {
    chunkedSeries: [
      {
        labels: [{ name: 'a', value: 'c' }],
        chunks: [{ minTimeMs: 1, maxTimeMs: 2, type: prometheus.Chunk.Encoding.XOR2, data: Uint8Array.of(9) }],
      },
      { labels: [], chunks: [] },
    ],
    queryIndex: 0,
  },
]

const want: RemoteSeries[] = [
  {
    labels: ['a', 'b', 'c', 'ü'],
    chunks: [
      { minTime: 1, maxTime: 2, raw: { type: 0, data: Uint8Array.of(1, 2), hash: 0n } },
      { minTime: -3, maxTime: 4, raw: { type: 2, data: bigData, hash: 0n } },
    ],
  },
  { labels: ['a', 'c'], chunks: [{ minTime: 1, maxTime: 2, raw: { type: 3, data: Uint8Array.of(9), hash: 0n } }] },
  { labels: [], chunks: [] },
]

function frameOf(message: Uint8Array): Buffer {
  const head: number[] = []
  for (let rest = message.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      head.push(rest)
      break
    }
    head.push((rest & 0x7f) | 0x80)
  }
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32c(message))
  return Buffer.concat([Buffer.from(head), checksum, message])
}

const body = Buffer.concat(messages.map((message) => frameOf(prometheus.ChunkedReadResponse.encode(message).finish())))

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function decode(bytes: Uint8Array, size = bytes.length): Promise<RemoteSeries[]> {
  const all: RemoteSeries[] = []
  for await (const series of decodeChunkedResponse(inPieces(bytes, size), 'http://prometheus')) all.push(series)
  return all
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof MnemoError) return error.code
    throw error
  }
  return 'nothing'
}

test('a request asks for streamed chunks first', async () => {
  const bytes = await encodeReadRequest({
    minTime: -5,
    maxTime: 10,
    matchers: [{ type: '=~', name: 'a', value: 'b.*' }],
  })
  const read = prometheus.ReadRequest.decode((await uncompress(bytes, { asBuffer: true })) as Buffer)
  expect(read.acceptedResponseTypes).toEqual([1, 0])
  expect(read.queries).toHaveLength(1)
  expect(String(read.queries[0]?.startTimestampMs)).toBe('-5')
  expect(String(read.queries[0]?.endTimestampMs)).toBe('10')
  expect(read.queries[0]?.matchers).toEqual([{ type: 2, name: 'a', value: 'b.*' }])
})

test.each([1, 2, 7, 1000, 1e6])('a streamed answer in pieces of %i bytes', async (size) => {
  expect(await decode(body, size)).toEqual(want)
})

test('no series', async () => {
  expect(await decode(Buffer.alloc(0))).toEqual([])
})

test('an answer that ends inside a frame is corrupt, and says where the frame began', async () => {
  const first = frameOf(prometheus.ChunkedReadResponse.encode(messages[0]!).finish()).length
  for (const end of [1, 3, first - 1, first + 1, body.length - 1])
    await expect(decode(body.subarray(0, end), 5)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining(
        `remote read answer of http://prometheus at offset ${end < first ? 0 : first}: got the end`,
      ),
    })
})

test('a flipped bit anywhere is corrupt', async () => {
  for (let i = 0; i < body.length; i += 13) {
    const bad = Buffer.from(body)
    bad[i]! ^= 0x10
    expect(await codeOf(decode(bad))).toBe('corrupt')
  }
})

test('a frame whose length no one can mean is refused before it is read', async () => {
  await expect(decode(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]))).rejects.toThrow(/want at most/)
  await expect(decode(Buffer.alloc(6, 0xff))).rejects.toThrow(/more than 5 bytes/)
})

test('a chunk without an encoding is corrupt', async () => {
  const bytes = prometheus.ChunkedReadResponse.encode({ chunkedSeries: [{ chunks: [{ minTimeMs: 1 }] }] }).finish()
  expect(await codeOf(decode(frameOf(bytes)))).toBe('corrupt')
})

test('an answer of samples', async () => {
  const message = prometheus.ReadResponse.encode({
    results: [
      {
        timeseries: [
          {
            labels: [{ name: 'a', value: 'b' }],
            samples: [
              { timestamp: -1, value: Number.NaN },
              { timestamp: 1_700_000_000_000, value: -0 },
            ],
          },
          { labels: [{ name: 'a', value: 'h' }], histograms: [{ countInt: 3, sum: 1.5, timestamp: 7 }] },
        ],
      },
    ],
  }).finish()
  const series = await decodeSamplesResponse(await compress(Buffer.from(message)), 'http://prometheus')
  expect(series.map(({ labels, times, valueBits }) => [labels, [...times], [...valueBits]])).toEqual([
    [
      ['a', 'b'],
      [-1, 1_700_000_000_000],
      [0x7ff8000000000000n, 1n << 63n],
    ],
    [['a', 'h'], [], []],
  ])
  expect(series[1]?.histograms.map(({ sum, timestamp }) => [sum, String(timestamp)])).toEqual([[1.5, '7']])
})

test('samples that are not snappy, not a message, or far too many', async () => {
  const decodeSamples = (bytes: Uint8Array) => codeOf(decodeSamplesResponse(bytes, 'http://prometheus'))
  expect(await decodeSamples(Buffer.alloc(0))).toBe('corrupt')
  expect(await decodeSamples(Buffer.from([5, 1, 2, 3]))).toBe('corrupt')
  expect(await decodeSamples(await compress(Buffer.from([0x0a, 9])))).toBe('corrupt')
  expect(await decodeSamples(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]))).toBe('resource_exhausted')
})
