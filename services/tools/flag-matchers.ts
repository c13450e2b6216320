// Label matchers as a flag carries them: `cluster="eu",replica=~"a|b"`, with braces around or without, values quoted or plain.
// Specification: Alertmanager's matchers, which `thanos tools bucket replicate --matcher` takes.
// Owns the parsing.
import { MnemoError } from '../../lib/kit/errors.ts'
import { type Labels, labelValue } from '../../lib/labels/labels.ts'
import type { LabelMatcher, MatchType } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'

const one = /\s*(?:"((?:[^"\\]|\\.)+)"|([^\s,"={}!~]+))\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^",{}]*?))\s*(,|$)/sy

/** Whether a label set has what the text says; an empty text takes all. Throws `config`. */
export function parseFlagMatchers(flag: string, text: string): (labels: Labels) => boolean {
  const tests = parse(flag, text).map((matcher) => ({ name: matcher.name, test: compile(flag, text, matcher) }))
  return (labels) => tests.every(({ name, test }) => test(labelValue(labels, name)))
}

function parse(flag: string, text: string): LabelMatcher[] {
  const trimmed = text.trim()
  const body = trimmed.startsWith('{') && trimmed.endsWith('}') ? trimmed.slice(1, -1) : trimmed
  const matchers: LabelMatcher[] = []
  one.lastIndex = 0
  while (one.lastIndex < body.length) {
    const match = one.exec(body)
    if (match === null) throw wrong(flag, text)
    const [, quotedName, name, type, quoted, plain] = match
    const value = quoted === undefined ? plain! : unquote(flag, text, quoted)
    matchers.push({ name: quotedName ?? name!, type: type as MatchType, value })
  }
  return matchers
}

function unquote(flag: string, text: string, quoted: string): string {
  try {
    // What JSON does not know as an escape stands for itself, so that `\.` in an expression needs no second backslash.
    return JSON.parse(`"${quoted.replace(/\\(?![\\"nrtu])/g, '\\\\').replaceAll('\n', '\\n')}"`) as string
  } catch (cause) {
    throw wrong(flag, text, cause)
  }
}

function compile(flag: string, text: string, matcher: LabelMatcher): (value: string) => boolean {
  try {
    return compileMatcher(matcher)
  } catch (cause) {
    throw wrong(flag, text, cause)
  }
}

function wrong(flag: string, text: string, cause?: unknown): MnemoError {
  const message = `cannot use --${flag} ${text}: want matchers such as cluster="eu",replica=~"a|b"`
  return new MnemoError('config', message, cause === undefined ? {} : { cause })
}
