// xxHash64 of bytes that are not in kernel memory: of chunks on the wire, and of label sets.
// Specification: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, seed 0.
// Owns a thread's kernels that do nothing else, made at the first call.
import { createKernels } from './instance.ts'
import type { Kernels } from './kernels.ts'

let kernels: Kernels | undefined

/** A u64. */
export function xxhash64(bytes: Uint8Array): bigint {
  kernels ??= createKernels()
  return kernels.xxhash64(bytes)
}
