// Places in a query as Prometheus's messages name them.
// Specification: Prometheus 3.14, promql/parser/posrange.
// Owns the parse error: its text, and what says that a query was wrong in itself.
import { MnemoError } from '../../kit/errors.ts'

/** `line:column`, both from 1, of a UTF-16 offset into the query; columns count UTF-8 bytes, as Prometheus's do. */
export function lineAndColumn(query: string, offset: number): string {
  if (query === '') return 'unknown position'
  if (offset < 0 || offset > query.length) return 'invalid position'
  const before = query.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  const line = before.split('\n').length
  return `${line}:${Buffer.byteLength(before.slice(lineStart)) + 1}`
}

/** The `bad_data` error of a query that is wrong at an offset: `1:5: parse error: …`. */
export function parseError(query: string, offset: number, message: string): MnemoError {
  return new MnemoError('bad_data', `${lineAndColumn(query, offset)}: parse error: ${message}`)
}
