// What a regular expression's text says without compiling it: a few literals (`a|b`, `web-[12]`), a glob (`foo.*bar`), or some of these.
// Grammar: RE2 (https://github.com/google/re2/wiki/Syntax), the part of it that yields such shapes; anything else is undefined here.
// Owns the shapes; regex.ts makes predicates of them, the store looks values up by them.

/** Literals with gaps between: gap i, of at least `gaps[i]` characters (0 for `.*`, 1 for `.+`), stands after literal i. */
export interface Glob {
  /** One more than gaps. */
  readonly literals: readonly string[]
  readonly gaps: readonly (0 | 1)[]
}

/** More values than this that come of multiplying parts (`[0-9][0-9][0-9]`) are left to the engine. */
const maxProduct = 1024
const maxProductLength = 64 * 1024

const meta = new Set('\\.+*?()|[]{}^$')
const quantifiers = new Set('*+?{')
const controlEscapes: Readonly<Record<string, string>> = { a: '\x07', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/** The finite set of strings that a pattern matches, each once, in the pattern's order. */
export function literalsOf(pattern: string): readonly string[] | undefined {
  const reader = new LiteralReader(stripAnchors(pattern))
  const values = reader.alternation(0)
  return values && reader.atEnd ? [...new Set(values)] : undefined
}

/** Literals and `.*` or `.+` in turn. */
export function globOf(pattern: string): Glob | undefined {
  const text = stripAnchors(pattern)
  const literals = ['']
  const gaps: (0 | 1)[] = []
  let i = 0
  while (i < text.length) {
    const wild = text[i] === '.' && (text[i + 1] === '*' || text[i + 1] === '+')
    if (wild) {
      const gap = text[i + 1] === '*' ? 0 : 1
      if (gaps.length === 0 || literals.at(-1) !== '') {
        gaps.push(gap)
        literals.push('')
      } else if (gap === 1) {
        // Two `.+` want two characters, which lengths in UTF-16 cannot tell.
        if (gaps.at(-1) === 1) return undefined
        gaps[gaps.length - 1] = 1
      }
      i += 2
    } else {
      const literal = literalAt(text, i)
      if (!literal) return undefined
      literals[literals.length - 1] += literal.value
      i = literal.end
    }
    if (quantifiers.has(text[i] ?? '')) return undefined
  }
  return { literals, gaps }
}

/** Globs of which one must match (`web-.*|db-.*`, also in a group), where the pattern is an alternation of them and nothing else. */
export function globsOf(pattern: string): readonly Glob[] | undefined {
  const text = stripAnchors(pattern)
  const [, inner] = /^\((?:\?:)?(.*)\)$/s.exec(text) ?? []
  const branches = branchesOf(inner ?? text)
  if (!branches || branches.length < 2) return undefined
  const globs: Glob[] = []
  for (const branch of branches) {
    const glob = globOf(branch)
    if (!glob) return undefined
    globs.push(glob)
  }
  return globs
}

/** What stands between the bars; undefined where there are groups or classes, which may have bars of their own. */
function branchesOf(text: string): string[] | undefined {
  const branches: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '(' || c === ')' || c === '[') return undefined
    if (c === '\\') i++
    else if (c === '|') {
      branches.push(text.slice(start, i))
      start = i + 1
    }
  }
  branches.push(text.slice(start))
  return branches
}

// Matches are anchored anyhow, so that one more anchor at either end says nothing.
function stripAnchors(pattern: string): string {
  const start = pattern.startsWith('^') ? 1 : 0
  let end = pattern.length
  if (pattern.endsWith('$')) {
    let backslashes = 0
    while (pattern[end - 2 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) end--
  }
  return end < start ? '' : pattern.slice(start, end)
}

/** One literal character at i; undefined where there is none, or it is part of a quantified or special thing. */
function literalAt(text: string, i: number): { readonly value: string; readonly end: number } | undefined {
  const c = text[i]!
  if (c !== '\\') {
    if (meta.has(c)) return undefined
    const value = String.fromCodePoint(text.codePointAt(i)!)
    return { value, end: i + value.length }
  }
  const escaped = text[i + 1]
  if (escaped === undefined) return undefined
  const control = controlEscapes[escaped]
  if (control !== undefined) return { value: control, end: i + 2 }
  // RE2: an escaped ASCII character that is no letter or digit stands for itself.
  return escaped < '\x80' && !/[0-9A-Za-z]/.test(escaped) ? { value: escaped, end: i + 2 } : undefined
}

/** Reads alternations of concatenations of characters, groups and small classes; undefined as soon as there is more in it. */
class LiteralReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length
  }

  alternation(depth: number): string[] | undefined {
    if (depth > 50) return undefined
    const values: string[] = []
    for (;;) {
      const branch = this.#concatenation(depth)
      if (!branch) return undefined
      for (const value of branch) values.push(value)
      if (this.#text[this.#at] !== '|') return values
      this.#at++
    }
  }

  #concatenation(depth: number): string[] | undefined {
    let values = ['']
    for (;;) {
      const run = this.#literalRun()
      if (run === undefined || (values.length > 1 && values.length * run.length > maxProductLength)) return undefined
      if (run !== '') values = values.map((v) => v + run)
      const c = this.#text[this.#at]
      if (c === undefined || c === '|' || c === ')') return values
      const part = c === '(' ? this.#group(depth) : c === '[' ? this.#class() : undefined
      if (!part || this.#atQuantifier) return undefined
      if (Math.min(values.length, part.length) > 1 && values.length * part.length > maxProduct) return undefined
      values = values.length === 1 ? part.map((p) => values[0] + p) : values.flatMap((v) => part.map((p) => v + p))
    }
  }

  get #atQuantifier(): boolean {
    return quantifiers.has(this.#text[this.#at] ?? '')
  }

  #literalRun(): string | undefined {
    let run = ''
    while (!this.atEnd) {
      const literal = literalAt(this.#text, this.#at)
      if (!literal) break
      run += literal.value
      this.#at = literal.end
    }
    return this.#atQuantifier ? undefined : run
  }

  #group(depth: number): string[] | undefined {
    this.#at++
    if (this.#text.startsWith('?:', this.#at)) this.#at += 2
    const values = this.alternation(depth + 1)
    if (this.#text[this.#at] !== ')') return undefined
    this.#at++
    return values
  }

  #class(): string[] | undefined {
    const match = /^\[((?:[0-9A-Za-z_](?:-[0-9A-Za-z_])?)+)\]/.exec(this.#text.slice(this.#at, this.#at + 200))
    if (!match) return undefined
    this.#at += match[0].length
    const values: string[] = []
    for (const [, from, to] of match[1]!.matchAll(/(.)(?:-(.))?/g)) {
      const first = from!.charCodeAt(0)
      const last = (to ?? from!).charCodeAt(0)
      if (first > last) return undefined
      for (let code = first; code <= last; code++) values.push(String.fromCharCode(code))
    }
    return values
  }
}
