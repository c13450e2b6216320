// The gRPC methods of the StoreAPI and of Info: their paths, with bytes on both sides (messages are coded beside the calls).
// Specification: proto/store.proto, proto/info.proto.
// Owns the names that client and server share.
import type { MethodDefinition } from '@grpc/grpc-js'

const same = (bytes: Buffer) => bytes

function method(path: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
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
  Series: method('/thanos.Store/Series', true),
  LabelNames: method('/thanos.Store/LabelNames', false),
  LabelValues: method('/thanos.Store/LabelValues', false),
}

export const infoMethods = { Info: method('/thanos.info.Info/Info', false) }
