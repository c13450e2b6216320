// Structs in kernel memory: what assembly/ declares as @unmanaged classes, read and written by field.
// Layout: AssemblyScript's: fields in the order of their declaration, each aligned to its size; addresses and flags are u32.
// Owns nothing: the memory is whoever's allocated it.

export type FieldType = 'u32' | 'f64'

export interface Layout<F extends string> {
  readonly fields: Readonly<Record<F, { readonly type: FieldType; readonly offset: number }>>
  /** Of the whole struct, aligned to 16. */
  readonly bytes: number
}

/** The layout of a class with these fields. */
export function layoutOf<F extends string>(types: Readonly<Record<F, FieldType>>): Layout<F> {
  let offset = 0
  const fields = {} as Record<F, { type: FieldType; offset: number }>
  for (const name of Object.keys(types) as F[]) {
    const size = types[name] === 'f64' ? 8 : 4
    offset = Math.ceil(offset / size) * size
    fields[name] = { type: types[name], offset }
    offset += size
  }
  return { fields, bytes: Math.ceil(offset / 16) * 16 }
}

/** The whole memory as numbers; anew at each access, since it detaches when it grows. */
export interface MemoryViews {
  readonly words: Uint32Array
  readonly doubles: Float64Array
}

export class Fields<F extends string> {
  readonly ptr: number
  readonly #memory: MemoryViews
  readonly #layout: Layout<F>

  constructor(memory: MemoryViews, layout: Layout<F>, ptr: number) {
    this.#memory = memory
    this.#layout = layout
    this.ptr = ptr
  }

  get(field: F): number {
    const { type, offset } = this.#layout.fields[field]
    const at = this.ptr + offset
    return type === 'f64' ? this.#memory.doubles[at / 8]! : this.#memory.words[at / 4]!
  }

  set(values: Readonly<Partial<Record<F, number>>>): void {
    const { words, doubles } = this.#memory
    for (const name of Object.keys(values) as F[]) {
      const { type, offset } = this.#layout.fields[name]
      const at = this.ptr + offset
      if (type === 'f64') doubles[at / 8] = values[name]!
      else words[at / 4] = values[name]!
    }
  }
}
