// A file as a stream whose chunks are freed by whoever has used them up: garbage of this size would wait for a collection that
// comes late. A reader that does not care leaves them to the collector.
// Owns the file, and which chunks may be freed.
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'

const chunkBytes = 256 * 1024

/** Chunks that nobody else has a view of. */
const freeable = new WeakSet<Uint8Array>()

/** Opened before it is read: what is removed meanwhile is read all the same. Throws what the file system says. */
export async function openFileStream(file: string): Promise<Readable> {
  const handle = await open(file, 'r')
  return new Readable({
    highWaterMark: chunkBytes,
    read() {
      readChunk(handle).then(
        (chunk) => this.push(chunk ?? null),
        (error: Error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      handle.close().then(
        () => done(error),
        (closing: Error) => done(error ?? closing),
      )
    },
  })
}

async function readChunk(handle: FileHandle): Promise<Buffer | undefined> {
  const whole = Buffer.allocUnsafeSlow(chunkBytes)
  const { bytesRead } = await handle.read(whole, 0, chunkBytes, null)
  if (bytesRead === 0) return undefined
  const chunk = whole.subarray(0, bytesRead)
  freeable.add(chunk)
  return chunk
}

/** Frees a chunk of such a stream, which must not be used any more; any other bytes stay. */
export function freeChunk(chunk: Uint8Array): void {
  if (freeable.delete(chunk) && chunk.buffer instanceof ArrayBuffer) chunk.buffer.transfer(0)
}
