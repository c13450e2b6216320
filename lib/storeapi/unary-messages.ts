// The codec of the StoreAPI's small messages: LabelNames, LabelValues, and Info.
// Specification: proto/store.proto, proto/info.proto. Field numbers stand beside each read and write.
// Owns nothing.
import type { Labels } from '../labels/labels.ts'
import { labelsOf } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'
import { append, appendMatcher, writeMatchers, writePartialResponse } from './series-request.ts'
import {
  type LabelsRequest,
  type LabelsResponse,
  type PeerApi,
  peerApis,
  type StoreInfo,
  type TsdbInfo,
} from './types.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type StoreRange = NonNullable<StoreInfo['store']>

/** A LabelNamesRequest, or with a label a LabelValuesRequest: the same fields, one number later. */
export function encodeLabelsRequest(request: LabelsRequest, label?: string): Buffer {
  const writer = new ProtoWriter()
  const shift = label === undefined ? 0 : 1
  if (label !== undefined) writer.stringField(1, label)
  writePartialResponse(writer, 1 + shift, request.partialResponseDisabled)
  writer.intField(3 + shift, request.minTime)
  writer.intField(4 + shift, request.maxTime)
  writeMatchers(writer, 6 + shift, request.matchers)
  for (const name of request.withoutReplicaLabels ?? []) writer.stringElement(7 + shift, name)
  writer.intField(8 + shift, request.limit)
  return writer.finish()
}

/** A LabelNamesRequest's fields. Throws `corrupt` or `bad_data`. */
export function decodeLabelNamesRequest(bytes: Uint8Array): LabelsRequest {
  return decodeLabelsRequest(new ProtoReader('LabelNamesRequest', bytes), 0).request
}

/** A LabelValuesRequest's label and other fields. Throws `corrupt` or `bad_data`. */
export function decodeLabelValuesRequest(bytes: Uint8Array): { label: string; request: LabelsRequest } {
  return decodeLabelsRequest(new ProtoReader('LabelValuesRequest', bytes), 1)
}

function decodeLabelsRequest(reader: ProtoReader, shift: number): { label: string; request: LabelsRequest } {
  const matchers: LabelMatcher[] = []
  const withoutReplicaLabels: string[] = []
  const request: Mutable<LabelsRequest> = { minTime: 0, maxTime: 0, matchers }
  let label = ''
  reader.fields((tag) => {
    // Tags as LabelNamesRequest has them; the label of LabelValuesRequest falls on 0.
    switch (tag - shift * 8) {
      case 0x02:
        label = reader.string()
        return
      case 0x08:
      case 0x10:
        if (reader.bool()) request.partialResponseDisabled = true
        return
      case 0x18:
        request.minTime = reader.int64()
        return
      case 0x20:
        request.maxTime = reader.int64()
        return
      case 0x32:
        return appendMatcher(matchers, reader)
      case 0x3a:
        return append(withoutReplicaLabels, reader.string(), 'replica labels')
      case 0x40:
        request.limit = reader.int64()
        return
      default:
        return reader.skip(tag)
    }
  })
  if (withoutReplicaLabels.length > 0) request.withoutReplicaLabels = withoutReplicaLabels
  return { label, request }
}

/** LabelNamesResponse and LabelValuesResponse, which are alike. */
export function encodeLabelsResponse(response: LabelsResponse): Buffer {
  const writer = new ProtoWriter(4096)
  for (const value of response.values) writer.stringElement(1, value)
  for (const warning of response.warnings) writer.stringElement(2, warning)
  return writer.finish()
}

export function decodeLabelsResponse(bytes: Uint8Array): LabelsResponse {
  const reader = new ProtoReader('labels response', bytes)
  const values: string[] = []
  const warnings: string[] = []
  reader.fields((tag) => {
    if (tag === 0x0a) values.push(reader.string())
    else if (tag === 0x12) warnings.push(reader.string())
    else reader.skip(tag)
  })
  return { values, warnings }
}

/** An InfoResponse. */
export function encodeInfo(info: StoreInfo): Buffer {
  const writer = new ProtoWriter()
  for (const labels of info.labelSets) writer.message(1, (nested) => writeLabels(nested, labels))
  writer.stringField(2, info.componentType)
  const { store } = info
  if (store)
    writer.message(3, (nested) => {
      nested.intField(1, store.minTime)
      nested.intField(2, store.maxTime)
      nested.boolField(3, store.supportsSharding)
      nested.boolField(5, store.supportsWithoutReplicaLabels)
      for (const tsdb of store.tsdbInfos) nested.message(6, (inner) => writeTsdbInfo(inner, tsdb))
    })
  // A message that says nothing but that it is there; exemplars have times too, which nobody prunes by.
  for (const api of info.apis ?? []) writer.message(firstApiField + peerApis.indexOf(api), () => undefined)
  return writer.finish()
}

/** InfoResponse's field of the first of peerApis; the others follow. */
const firstApiField = 4

function writeTsdbInfo(writer: ProtoWriter, { labels, minTime, maxTime }: TsdbInfo): void {
  writer.message(1, (nested) => writeLabels(nested, labels))
  writer.intField(2, minTime)
  writer.intField(3, maxTime)
}

/** A ZLabelSet's content. */
function writeLabels(writer: ProtoWriter, labels: Labels): void {
  for (let i = 0; i < labels.length; i += 2)
    writer.message(1, (label) => {
      label.stringField(1, labels[i]!)
      label.stringField(2, labels[i + 1]!)
    })
}

export function decodeInfo(bytes: Uint8Array): StoreInfo {
  const reader = new ProtoReader('InfoResponse', bytes)
  const labelSets: Labels[] = []
  const apis: PeerApi[] = []
  const info: Mutable<StoreInfo> = { labelSets, componentType: '' }
  reader.fields((tag) => {
    if (tag === 0x0a) labelSets.push(readLabels(reader))
    else if (tag === 0x12) info.componentType = reader.string()
    else if (tag === 0x1a) info.store = readStore(reader)
    else {
      const api = (tag & 7) === 2 ? peerApis[(tag >>> 3) - firstApiField] : undefined
      if (api) apis.push(api)
      reader.skip(tag)
    }
  })
  if (apis.length > 0) info.apis = apis
  return info
}

function readStore(reader: ProtoReader): StoreRange {
  const tsdbInfos: TsdbInfo[] = []
  const store: Mutable<StoreRange> = {
    minTime: 0,
    maxTime: 0,
    supportsSharding: false,
    supportsWithoutReplicaLabels: false,
    tsdbInfos,
  }
  reader.nested((tag) => {
    if (tag === 0x08) store.minTime = reader.int64()
    else if (tag === 0x10) store.maxTime = reader.int64()
    else if (tag === 0x18) store.supportsSharding = reader.bool()
    else if (tag === 0x28) store.supportsWithoutReplicaLabels = reader.bool()
    else if (tag === 0x32) tsdbInfos.push(readTsdbInfo(reader))
    else reader.skip(tag)
  })
  return store
}

function readTsdbInfo(reader: ProtoReader): TsdbInfo {
  const tsdb: Mutable<TsdbInfo> = { labels: [], minTime: 0, maxTime: 0 }
  reader.nested((tag) => {
    if (tag === 0x0a) tsdb.labels = readLabels(reader)
    else if (tag === 0x10) tsdb.minTime = reader.int64()
    else if (tag === 0x18) tsdb.maxTime = reader.int64()
    else reader.skip(tag)
  })
  return tsdb
}

function readLabels(reader: ProtoReader): Labels {
  const pairs: (readonly [string, string])[] = []
  reader.nested((tag) => {
    if (tag !== 0x0a) return reader.skip(tag)
    pairs.push(readLabel(reader))
  })
  return labelsOf(pairs)
}

/** A Label message as a pair. */
export function readLabel(reader: ProtoReader): readonly [string, string] {
  let name = ''
  let value = ''
  reader.nested((tag) => {
    if (tag === 0x0a) name = reader.string()
    else if (tag === 0x12) value = reader.string()
    else reader.skip(tag)
  })
  return [name, value]
}
