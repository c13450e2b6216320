// What a regular expression's text says of its groups and Unicode classes, without compiling it.
// Grammar: Go's regexp/syntax (https://pkg.go.dev/regexp/syntax), where groups may share a name.
// Owns the scan, which takes the pattern to be valid; what is wrong with one is the engine's to say.

// A quotation, a Unicode class, an escaped character, the beginning of a class, a group with a name, one without.
const outside =
  /\\Q.*?(?:\\E|$)|\\[pP]\{\^?(?<property>\w+)\}|\\.|(?<open>\[\^?\]?)|\(\?P?<(?<name>\w+)>|(?<group>\()(?!\?)/gsu
const inClass = /\[:\^?\w+:\]|\\[pP]\{\^?(?<property>\w+)\}|\\.|(?<close>\])/gsu

function* tokensOf(pattern: string): Generator<RegExpExecArray> {
  let grammar = outside
  for (let at = 0; ; ) {
    grammar.lastIndex = at
    const token = grammar.exec(pattern)
    if (token === null) return
    at = grammar.lastIndex
    if (token.groups?.open !== undefined) grammar = inClass
    else if (token.groups?.close !== undefined) grammar = outside
    else yield token
  }
}

/** The numbers of the groups that bear each name, ascending. */
export function groupNames(pattern: string): ReadonlyMap<string, readonly number[]> {
  const names = new Map<string, number[]>()
  let count = 0
  for (const { groups } of tokensOf(pattern)) {
    if (groups?.name === undefined && groups?.group === undefined) continue
    count++
    if (groups.name !== undefined) names.set(groups.name, [...(names.get(groups.name) ?? []), count])
  }
  return names
}

/** The same pattern for an engine that wants each name once: further groups of a name go without it. */
export function withoutSharedNames(pattern: string): string {
  const seen = new Set<string>()
  let text = ''
  let end = 0
  for (const { 0: token, index, groups } of tokensOf(pattern)) {
    const name = groups?.name
    if (name === undefined) continue
    if (seen.has(name)) {
      text += `${pattern.slice(end, index)}(`
      end = index + token.length
    }
    seen.add(name)
  }
  return text + pattern.slice(end)
}

/** The first Unicode class that has one of these names, as it is written (`\p{Emoji}`); undefined where none has. */
export function classNamed(pattern: string, names: ReadonlySet<string>): string | undefined {
  for (const { 0: token, groups } of tokensOf(pattern)) {
    if (groups?.property !== undefined && names.has(groups.property)) return token
  }
  return undefined
}
