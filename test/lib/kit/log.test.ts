// Log lines: logfmt with quotes where they are needed, JSON with the same keys, errors with their causes.
import { expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createLogger, type LogFormat } from '../../../lib/kit/log.ts'

function lineOf(format: LogFormat, fields: object, message: string): string {
  const lines: string[] = []
  createLogger({ format, sink: { write: (line) => lines.push(line) } }).info(fields, message)
  return lines.join('').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, 'NOW')
}

test('logfmt', () => {
  const fields = { block: '01ABC', text: 'a "b"\n', n: 3, list: [1, 2], empty: '' }
  expect(lineOf('logfmt', fields, 'block was uploaded')).toBe(
    'ts=NOW level=info msg="block was uploaded" block=01ABC text="a \\"b\\"\\n" n=3 list=[1,2] empty=""\n',
  )
})

test('JSON', () => {
  expect(JSON.parse(lineOf('json', { n: 3 }, 'up'))).toEqual({ ts: 'NOW', level: 'info', msg: 'up', n: 3 })
})

test('an error with a code: its message and those of its causes; a bug: its stack', () => {
  const err = new MnemoError('unavailable', 'cannot read meta.json', { cause: new Error('connection refused') })
  expect(lineOf('logfmt', { err }, 'sync failed')).toContain(
    'err="unavailable: cannot read meta.json: connection refused"',
  )
  expect(lineOf('logfmt', { err: new TypeError('x') }, 'bug')).toContain('log.test.ts')
})

test('lines below the level are not written', () => {
  const lines: string[] = []
  const logger = createLogger({ level: 'warn', sink: { write: (line) => lines.push(line) } })
  logger.info('no')
  logger.warn('yes')
  expect(lines).toHaveLength(1)
})
