// The line of progress: on a terminal alone, redrawn in place, gone at the end.
import { expect, test, vi } from 'vitest'
import { startProgress } from '../../../lib/kit/progress.ts'

test('redrawn a few times a second, taken away at the end', () => {
  vi.useFakeTimers()
  try {
    const written: string[] = []
    const stream = { isTTY: true, write: (text: string) => written.push(text) }
    const progress = startProgress({ what: 'verifying', total: 100, stream })
    progress.step(10, 'a')
    for (let i = 0; i < 39; i++) progress.step(1, 'b')
    expect(written).toEqual(['\x1b[Kverifying [##..................] 10% a\r'])
    vi.advanceTimersByTime(10_000)
    progress.step(1, 'c')
    expect(written.at(-1)).toBe('\x1b[Kverifying [##########..........] 50%, 10s left c\r')
    progress.done()
    expect(written.at(-1)).toBe('\x1b[K')
  } finally {
    vi.useRealTimers()
  }
})

test('nothing where there is no terminal, or nothing to do', () => {
  const write = vi.fn()
  for (const stream of [{ write }, { isTTY: false, write }]) startProgress({ what: 'x', total: 5, stream }).step(5)
  startProgress({ what: 'x', total: 0, stream: { isTTY: true, write } }).done()
  expect(write).not.toHaveBeenCalled()
})
