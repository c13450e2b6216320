// The codec of SeriesRequest, and of the parts that it shares with the other requests (matchers, partial response).
// Specification: proto/store.proto. Field numbers stand beside each read and write.
// Owns nothing; what is read is checked, what is unknown is skipped.
import { MnemoError } from '../kit/errors.ts'
import type { LabelMatcher, MatchType } from '../labels/matcher.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'
import type { Aggr, SeriesRequest } from './types.ts'

const matchTypes: readonly MatchType[] = ['=', '!=', '=~', '!~']

/** More than any query has; what is beyond is refused before it is looked at. */
const maxMatchers = 10_000
const maxNames = 100_000
const lastAggr = 5

/** Strategy ABORT of PartialResponseStrategy; WARN is 0. */
const abort = 1

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export function writeMatchers(writer: ProtoWriter, field: number, matchers: readonly LabelMatcher[]): void {
  for (const { type, name, value } of matchers)
    writer.message(field, (nested) => {
      nested.intField(1, matchTypes.indexOf(type))
      nested.stringField(2, name)
      nested.stringField(3, value)
    })
}

export function readMatcher(reader: ProtoReader): LabelMatcher {
  let type = 0
  let name = ''
  let value = ''
  reader.nested((tag) => {
    if (tag === 0x08) type = reader.uint32()
    else if (tag === 0x12) name = reader.string()
    else if (tag === 0x1a) value = reader.string()
    else reader.skip(tag)
  })
  const known = matchTypes[type]
  if (known === undefined)
    throw new MnemoError('bad_data', `cannot read matcher of "${name}": got type ${type}, want 0 to 3`)
  return { type: known, name, value }
}

/** Appends to a repeated field; throws `bad_data` where there are more than the cap. */
export function append<T>(list: T[], item: T, what: string, cap: number = maxNames): void {
  if (list.length >= cap) throw new MnemoError('bad_data', `cannot read request: got more than ${cap} ${what}`)
  list.push(item)
}

export function appendMatcher(list: LabelMatcher[], reader: ProtoReader): void {
  append(list, readMatcher(reader), 'matchers', maxMatchers)
}

/** Both ways to say that a failing part ends the call: the old flag at `field`, the strategy at the next. */
export function writePartialResponse(writer: ProtoWriter, field: number, disabled: boolean | undefined): void {
  writer.boolField(field, disabled)
  writer.intField(field + 1, disabled ? abort : 0)
}

/** The request's bytes. Step and range are written twice, at their old place and as query hints. */
export function encodeSeriesRequest(request: SeriesRequest): Buffer {
  const writer = new ProtoWriter()
  writer.intField(1, request.minTime)
  writer.intField(2, request.maxTime)
  writeMatchers(writer, 3, request.matchers)
  writer.intField(4, request.maxResolutionWindow)
  if (request.aggregates?.length) {
    writer.delimited(5, request.aggregates.length)
    for (const aggregate of request.aggregates) writer.varint(aggregate)
  }
  writePartialResponse(writer, 6, request.partialResponseDisabled)
  writer.boolField(8, request.skipChunks)
  writer.intField(10, request.step)
  writer.intField(11, request.range)
  if (request.step || request.range)
    writer.message(12, (hints) => {
      hints.intField(1, request.step)
      if (request.range) hints.message(5, (range) => range.intField(1, request.range))
    })
  if (request.shard) writeShard(writer, request.shard)
  for (const name of request.withoutReplicaLabels ?? []) writer.stringElement(14, name)
  writer.intField(15, request.limit)
  writer.intField(16, request.responseBatchSize)
  return writer.finish()
}

function writeShard(writer: ProtoWriter, shard: NonNullable<SeriesRequest['shard']>): void {
  writer.message(13, (nested) => {
    nested.intField(1, shard.index)
    nested.intField(2, shard.total)
    nested.boolField(3, shard.by)
    for (const name of shard.labels) nested.stringElement(4, name)
  })
}

/** The request of its bytes; `corrupt` where they are no message, `bad_data` where a value cannot be. */
export function decodeSeriesRequest(bytes: Uint8Array): SeriesRequest {
  const reader = new ProtoReader('SeriesRequest', bytes)
  const matchers: LabelMatcher[] = []
  const aggregates: Aggr[] = []
  const withoutReplicaLabels: string[] = []
  const request: Mutable<SeriesRequest> = { minTime: 0, maxTime: 0, matchers }
  reader.fields((tag) => {
    switch (tag) {
      case 0x08:
        request.minTime = reader.int64()
        return
      case 0x10:
        request.maxTime = reader.int64()
        return
      case 0x1a:
        return appendMatcher(matchers, reader)
      case 0x20:
        request.maxResolutionWindow = reader.int64()
        return
      case 0x28:
        return readAggregate(reader, aggregates)
      case 0x2a:
        return readPacked(reader, () => readAggregate(reader, aggregates))
      case 0x30:
      case 0x38:
        if (reader.bool()) request.partialResponseDisabled = true
        return
      case 0x40:
        request.skipChunks = reader.bool()
        return
      case 0x50:
        request.step = reader.int64()
        return
      case 0x58:
        request.range = reader.int64()
        return
      case 0x62:
        return readQueryHints(reader, request)
      case 0x6a:
        request.shard = readShard(reader)
        return
      case 0x72:
        return append(withoutReplicaLabels, reader.string(), 'replica labels')
      case 0x78:
        request.limit = reader.int64()
        return
      case 0x80:
        request.responseBatchSize = reader.int64()
        return
      default:
        return reader.skip(tag)
    }
  })
  if (aggregates.length > 0) request.aggregates = aggregates
  if (withoutReplicaLabels.length > 0) request.withoutReplicaLabels = withoutReplicaLabels
  return request
}

function readPacked(reader: ProtoReader, one: () => void): void {
  const outer = reader.enter()
  while (reader.more) one()
  reader.leave(outer)
}

function readAggregate(reader: ProtoReader, into: Aggr[]): void {
  const aggregate = reader.uint32()
  if (aggregate > lastAggr)
    throw new MnemoError('bad_data', `cannot read request: got aggregate ${aggregate}, want 0 to ${lastAggr}`)
  if (!into.includes(aggregate as Aggr)) into.push(aggregate as Aggr)
}

/** Step and range as newer queriers send them. */
function readQueryHints(reader: ProtoReader, request: Mutable<SeriesRequest>): void {
  reader.nested((tag) => {
    if (tag === 0x08) {
      const step = reader.int64()
      if (step !== 0) request.step = step
    } else if (tag === 0x2a) {
      reader.nested((inner) => {
        if (inner === 0x08) request.range = reader.int64()
        else reader.skip(inner)
      })
    } else reader.skip(tag)
  })
}

function readShard(reader: ProtoReader): NonNullable<SeriesRequest['shard']> {
  const shard = { index: 0, total: 0, by: false, labels: [] as string[] }
  reader.nested((tag) => {
    if (tag === 0x08) shard.index = reader.int64()
    else if (tag === 0x10) shard.total = reader.int64()
    else if (tag === 0x18) shard.by = reader.bool()
    else if (tag === 0x22) append(shard.labels, reader.string(), 'shard labels')
    else reader.skip(tag)
  })
  return shard
}
