// The gRPC methods of the StoreAPI and of Info: their paths, with bytes on both sides (messages are coded beside the calls).
// Specification: proto/store.proto, proto/info.proto.
// Owns the names that client and server share.
import type { MethodDefinition } from '@grpc/grpc-js'

const same = (bytes: Buffer) => bytes

/** A method of one request; its answer is one message, or a stream of them. */
export function unaryOrStream(path: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}

export const storeMethods = {
  Series: unaryOrStream('/thanos.Store/Series', true),
  LabelNames: unaryOrStream('/thanos.Store/LabelNames', false),
  LabelValues: unaryOrStream('/thanos.Store/LabelValues', false),
}

export const infoMethods = { Info: unaryOrStream('/thanos.info.Info/Info', false) }
