// Bytes that are read by position: a file, a buffer, an object in a bucket.
// Owns the interface that format readers read through, so that the same reader serves a disk and a bucket.

/** A run of bytes of known size. Reads may be concurrent. */
export interface RandomAccess {
  /** What it is, for error messages: a path, an object's name. */
  readonly name: string
  readonly sizeBytes: number
  /** Exactly `length` bytes at `offset`; throws `corrupt` where they lie beyond the end. The caller owns the bytes. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
}
