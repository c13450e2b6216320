// Labels as flags carry them: name="value", the value quoted as in Go (or plain).
// Specification: Thanos cmd/thanos (parseFlagLabels).
// Owns the parsing and what is said of a text that is no label.
import { MnemoError } from '../kit/errors.ts'
import { type Labels, labelsOf } from './labels.ts'

/** The label set of a repeated flag's texts. Throws `config` where one is no label, is empty, or a name comes twice. */
export function parseFlagLabels(flag: string, texts: readonly string[]): Labels {
  const wrong = (text: string, cause?: unknown) =>
    new MnemoError(
      'config',
      `cannot use --${flag} ${text}: want name="value", each name once`,
      cause === undefined ? {} : { cause },
    )
  const pairs = texts.map((text): [string, string] => {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(text) ?? []
    if (!name || value === undefined) throw wrong(text)
    if (!value.startsWith('"')) return [name, value]
    try {
      const unquoted: unknown = JSON.parse(value)
      if (typeof unquoted === 'string') return [name, unquoted]
    } catch (cause) {
      throw wrong(text, cause)
    }
    throw wrong(text)
  })
  const labels = labelsOf(pairs)
  if (labels.length < pairs.length * 2 || new Set(pairs.map(([name]) => name)).size < pairs.length)
    throw wrong(texts.join(' '))
  return labels
}
