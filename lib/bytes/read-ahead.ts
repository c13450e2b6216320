// A range read front to back in pieces, the next piece on its way while one is used.
// Owns at most two pieces at a time.
import type { RandomAccess } from './random-access.ts'

const defaultPieceBytes = 1024 * 1024

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown }

/** The bytes [start, end) of `source` in pieces of at most `pieceBytes`; each is the caller's. */
export async function* readAhead(
  source: RandomAccess,
  range: { readonly start: number; readonly end: number; readonly pieceBytes?: number },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const pieceBytes = range.pieceBytes ?? defaultPieceBytes
  // An outcome, not a rejection: nobody may be waiting for a piece when its read fails.
  const read = (at: number): Promise<Outcome> =>
    source.read(at, Math.min(pieceBytes, range.end - at), signal).then(
      (bytes) => ({ bytes }),
      (error: unknown) => ({ error }),
    )
  if (range.start >= range.end) return
  let next = read(range.start)
  for (let at = range.start; at < range.end; at += pieceBytes) {
    const outcome = await next
    if ('error' in outcome) throw outcome.error
    if (at + pieceBytes < range.end) next = read(at + pieceBytes)
    yield outcome.bytes
  }
}
