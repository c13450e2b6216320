// A Series call as bytes on both sides: what a benchmark asks a store with, so that it measures the store and not a reader of answers.
// Owns nothing: the channel is the caller's.
import { type Client, Metadata } from '@grpc/grpc-js'
import { storeMethods } from '../../lib/storeapi/methods.ts'

/** Resolves with the bytes of the frames that answer a request, when the last one has been taken. */
export function askSeries(client: Client, request: Buffer, take: (frame: Buffer) => void = () => {}): Promise<number> {
  const { path, requestSerialize, responseDeserialize } = storeMethods.Series
  return new Promise((resolve, reject) => {
    let bytes = 0
    client
      .makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, new Metadata(), {})
      .on('data', (frame: Buffer) => {
        bytes += frame.length
        take(frame)
      })
      .on('end', () => resolve(bytes))
      .on('error', reject)
  })
}
