// Makes a folder with all that is missing above it.
// Node.js's own mkdir(…, { recursive: true }) never ends where a parent is there and cannot have children, as below /proc.
// Owns nothing.
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { systemCode } from './system-errors.ts'

/** Others may remove a parent meanwhile; a parent that refuses does so each time. */
const attempts = 5

/** Resolves to the topmost folder that was made; undefined where it was there. Throws the system's error. */
export async function makeFolder(folder: string): Promise<string | undefined> {
  let first: string | undefined
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(folder)
      return first ?? folder
    } catch (error) {
      const code = systemCode(error)
      if (code !== 'ENOENT') {
        if (await isFolder(folder)) return first
        throw error
      }
      const parent = path.dirname(folder)
      if (attempt === attempts || parent === folder) throw error
      first = (await makeFolder(parent)) ?? first
    }
  }
}

async function isFolder(name: string): Promise<boolean> {
  try {
    return (await stat(name)).isDirectory()
  } catch {
    // The error of the mkdir says more.
    return false
  }
}
