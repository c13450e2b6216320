// `mnemo tools bucket analyze` as a real process.
import { expect, test } from 'vitest'
import { goldenPath } from '../../support/golden.ts'
import { configOf, tools } from '../../support/tools.ts'

const analyze = (...args: string[]) => tools('bucket', 'analyze', configOf(goldenPath('bucket')), ...args)

test('tables over chosen blocks, or JSON', async () => {
  const { status, lines } = await analyze('--matcher=replica=a', '--limit=2')
  expect(status).toBe(0)
  expect(lines.slice(0, 3)).toEqual([
    'Blocks: 2, 2023-11-15T00:00:00Z to 2023-11-15T02:00:00Z (2h0m0s)',
    'Series: 44; label names: 9; label pairs: 50',
    'Chunks: 180KiB; samples in these blocks: 10,957',
  ])
  const at = lines.indexOf('Metrics with the most series')
  expect(lines.slice(at + 3, at + 5).map((line) => line.split(' ')[1])).toEqual(['nh', 'g_utf8'])
  const json = await analyze('--id=01M81VCRDH86F0WF0CFPEZ0BKC', '--match={__name__="g_length"}', '--output=json')
  expect(JSON.parse(json.lines.join(''))).toMatchObject({
    series: 7,
    labelsByValues: [
      { name: 'n', values: 7 },
      { name: '__name__', values: 1 },
    ],
  })
})

test.each(['--match={', '--matcher=a', '--id=1'])('%s: one line, status 2', async (flag) => {
  const { status, lines } = await analyze(flag)
  expect(lines).toEqual([expect.stringContaining('cannot use')])
  expect(status).toBe(2)
})
