// Which blocks answer a range at an allowed resolution, as a table.
// Subject: lib/store/choose-blocks.ts. Owns nothing.
import { expect, test } from 'vitest'
import { chooseBlocks } from '../../../lib/store/choose-blocks.ts'

const resolutions = { raw: 0, '5m': 300_000, '1h': 3_600_000 }

/** Blocks and answers in words: 'raw 0-10' is a raw block of [0, 10), 'raw 0-10 of a,b' one of those sources; unless told, of 'all'. */
function choose(
  blocks: readonly string[],
  [minTime, maxTime]: readonly [number, number],
  max: keyof typeof resolutions,
): string[] {
  const spans = blocks.map((text) => {
    const [, resolution, from, to, sources = 'all'] = /^(\w+) (\d+)-(\d+)(?: of (.*))?$/.exec(text)!
    const resolutionMs = resolutions[resolution as keyof typeof resolutions]
    return { text, resolutionMs, minTime: Number(from), maxTime: Number(to), sources: sources.split(',') }
  })
  return chooseBlocks(spans, { minTime, maxTime, maxResolutionMs: resolutions[max] }).map(({ text }) => text)
}

test.each<{ name: string; blocks: string[]; range: [number, number]; max: keyof typeof resolutions; want: string[] }>([
  { name: 'no blocks', blocks: [], range: [0, 9], max: 'raw', want: [] },
  {
    name: 'max time is exclusive',
    blocks: ['raw 0-10', 'raw 10-20'],
    range: [10, 12],
    max: 'raw',
    want: ['raw 10-20'],
  },
  {
    name: 'the range is inclusive',
    blocks: ['raw 0-10', 'raw 10-20'],
    range: [5, 10],
    max: 'raw',
    want: ['raw 0-10', 'raw 10-20'],
  },
  {
    name: 'ascending in time',
    blocks: ['raw 20-30', 'raw 0-10'],
    range: [0, 99],
    max: 'raw',
    want: ['raw 0-10', 'raw 20-30'],
  },
  {
    name: 'overlapping blocks all count',
    blocks: ['raw 0-10', 'raw 0-5', 'raw 3-8'],
    range: [0, 9],
    max: 'raw',
    want: ['raw 0-5', 'raw 0-10', 'raw 3-8'],
  },
  {
    name: 'raw only where raw is asked for',
    blocks: ['5m 0-10', 'raw 0-10'],
    range: [0, 9],
    max: 'raw',
    want: ['raw 0-10'],
  },
  {
    name: 'the coarsest that is allowed',
    blocks: ['1h 0-10', '5m 0-10', 'raw 0-10'],
    range: [0, 9],
    max: '5m',
    want: ['5m 0-10'],
  },
  {
    name: 'gaps are filled from finer blocks',
    blocks: ['5m 0-10', '5m 20-30', 'raw 0-10', 'raw 10-20', 'raw 20-30', 'raw 30-40'],
    range: [0, 35],
    max: '5m',
    want: ['5m 0-10', 'raw 10-20', '5m 20-30', 'raw 30-40'],
  },
  {
    name: 'gaps of gaps',
    blocks: ['1h 0-10', '5m 10-20', 'raw 20-30', 'raw 0-10'],
    range: [0, 25],
    max: '1h',
    want: ['1h 0-10', '5m 10-20', 'raw 20-30'],
  },
  {
    name: 'a block that fills two gaps comes once',
    blocks: ['5m 10-20', 'raw 0-30'],
    range: [0, 29],
    max: '5m',
    want: ['raw 0-30', '5m 10-20'],
  },
  {
    name: 'a block inside another does not open a gap',
    blocks: ['5m 0-30', '5m 5-10', 'raw 10-20'],
    range: [0, 29],
    max: '5m',
    want: ['5m 0-30', '5m 5-10'],
  },
  {
    name: 'a raw block that came after its time was downsampled',
    blocks: ['5m 0-20 of a,b', 'raw 0-10 of a', 'raw 10-20 of b', 'raw 5-6 of late', 'raw 30-40 of c'],
    range: [0, 29],
    max: '5m',
    want: ['5m 0-20 of a,b', 'raw 5-6 of late'],
  },
  {
    name: 'a late block at the coarsest resolution that has it',
    blocks: ['1h 0-20 of a', '5m 0-20 of a,late', 'raw 5-6 of late', 'raw 0-20 of a'],
    range: [0, 19],
    max: '1h',
    want: ['1h 0-20 of a', '5m 0-20 of a,late'],
  },
  {
    name: 'a raw block of which only a part is downsampled',
    blocks: ['5m 0-10 of a', 'raw 0-20 of a,b'],
    range: [0, 9],
    max: '5m',
    want: ['5m 0-10 of a', 'raw 0-20 of a,b'],
  },
  { name: 'an empty range', blocks: ['raw 0-10'], range: [9, 1], max: 'raw', want: [] },
])('$name', ({ blocks, range, max, want }) => {
  expect(choose(blocks, range, max)).toEqual(want)
})
