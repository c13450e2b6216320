// The kernels' memory: alignment, marks, reuse after free, growth that keeps what is held, and the cap.
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'

const MiB = 2 ** 20
const exhausted = expect.objectContaining({ code: 'resource_exhausted' })

test('allocations are aligned to 16 bytes and apart from each other', () => {
  const kernels = createKernels()
  let end = 0
  for (const bytes of [1, 16, 17, 0, 100_000, 3]) {
    const ptr = kernels.alloc(bytes)
    expect(ptr % 16).toBe(0)
    expect(ptr).toBeGreaterThanOrEqual(end)
    end = ptr + bytes
    kernels.u8(ptr, bytes).fill(7)
  }
})

test('release frees all that was allocated since its mark, across blocks', () => {
  const kernels = createKernels()
  kernels.alloc(100)
  const mark = kernels.mark()
  const first = kernels.alloc(64)
  for (let i = 0; i < 10; i++) kernels.alloc(MiB)
  const bytes = kernels.memory.buffer.byteLength
  kernels.release(mark)
  expect(kernels.alloc(64)).toBe(first)
  for (let i = 0; i < 10; i++) kernels.alloc(MiB)
  expect(kernels.memory.buffer.byteLength).toBe(bytes)
  expect(() => kernels.release(kernels.mark() + 16)).toThrow(expect.objectContaining({ code: 'internal' }))
})

test('a mark outlives allocations that move to another block', () => {
  const kernels = createKernels()
  const outer = kernels.mark()
  const a = kernels.alloc(MiB - 1000)
  const inner = kernels.mark()
  kernels.alloc(5 * MiB)
  kernels.release(inner)
  kernels.alloc(2000)
  kernels.release(outer)
  expect(kernels.alloc(16)).toBe(a)
})

test('columns keep their samples as they grow, and others theirs', () => {
  const kernels = createKernels()
  const all = [kernels.columns(), kernels.columns()]
  for (let i = 0; i < 50_000; i++) for (const [k, columns] of all.entries()) columns.push(i, i * (k + 1))
  for (const [k, columns] of all.entries()) {
    expect(columns.times().every((time, i) => time === i)).toBe(true)
    expect(columns.values().every((value, i) => value === i * (k + 1))).toBe(true)
    columns.free()
    expect(() => columns.free()).toThrow(expect.objectContaining({ code: 'internal' }))
  }
})

test('freed columns give their memory to the next', () => {
  const kernels = createKernels()
  let bytes = 0
  for (let round = 0; round < 20; round++) {
    const columns = kernels.columns()
    columns.reserve(100_000)
    if (round === 0) bytes = kernels.memory.buffer.byteLength
    columns.free()
  }
  expect(kernels.memory.buffer.byteLength).toBe(bytes)
})

test('over the cap: a typed error, and the kernels go on', () => {
  const kernels = createKernels({ maxMemoryBytes: 4 * MiB })
  const columns = kernels.columns()
  columns.push(1, 2)
  expect(() => kernels.alloc(5 * MiB)).toThrow(exhausted)
  expect(() => kernels.alloc(2 ** 40)).toThrow(exhausted)
  expect(() => columns.reserve(10 * MiB)).toThrow(exhausted)
  expect(() => kernels.row(10 * MiB)).toThrow(exhausted)
  expect([...columns.values()]).toEqual([2])
  kernels.alloc(1000)
  expect(kernels.memory.buffer.byteLength).toBeLessThanOrEqual(4 * MiB)
  expect(() => createKernels({ maxMemoryBytes: 1000 })).toThrow(exhausted)
})

test('a window call gives back its scratch memory', () => {
  const kernels = createKernels()
  const columns = kernels.columns()
  for (let i = 0; i < 1000; i++) columns.push(i, i)
  const row = kernels.row(10)
  const mark = kernels.mark()
  kernels.window('quantile_over_time', columns, { startMs: 0, stepMs: 100, count: 10 }, 500, [0.5], row)
  expect(kernels.mark()).toBe(mark)
})
