// Loads files of the bundle, beside which it lies as build/bundle/load.cjs, from code that V8 has compiled before: of all functions of a file,
// where Node.js's own compile cache (NODE_COMPILE_CACHE) has those alone that are called while it loads.
// Plain CommonJS, nothing but node: imports. Owns a folder of that cache; what cannot be read or written there is compiled as it is needed.
'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const v8 = require('node:v8')
const vm = require('node:vm')
const { crc32 } = require('node:zlib')

/** Before the code: its CRC-32, and zeros. */
const headBytes = 8
const folder = process.env.NODE_DISABLE_COMPILE_CACHE ? undefined : ownFolder()
const modules = new Map()

/** The exports of a file of the bundle, by its name, which tells its content. */
module.exports = function load(name) {
  const known = modules.get(name)
  if (known) return known.exports
  const module = { exports: {} }
  modules.set(name, module)
  try {
    run(name, module)
  } catch (error) {
    modules.delete(name)
    throw error
  }
  return module.exports
}

function run(name, module) {
  const filename = path.join(__dirname, name)
  const script = compile(filename, fs.readFileSync(filename, 'utf8'))
  script.runInThisContext()(module.exports, requireFromBundle, module, filename, __dirname)
}

function requireFromBundle(id) {
  return id.startsWith('./') ? module.exports(id.slice(2)) : require(id)
}
Object.assign(requireFromBundle, { resolve: require.resolve, main: require.main, cache: require.cache })

function compile(filename, source) {
  const options = { filename, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER }
  if (folder === undefined) return new vm.Script(source, options)
  const file = path.join(folder, path.basename(filename))
  const cachedData = readCode(file)
  if (cachedData) {
    const script = new vm.Script(source, { ...options, cachedData })
    free(cachedData)
    if (!script.cachedDataRejected) return script
  }
  v8.setFlagsFromString('--no-lazy')
  let script
  try {
    script = new vm.Script(source, options)
  } finally {
    v8.setFlagsFromString('--lazy')
  }
  writeCode(file, script.createCachedData())
  return script
}

/** Of this version of V8, its flags and this user: what others may have written is not run. */
function ownFolder() {
  const cache = process.env.NODE_COMPILE_CACHE || path.join(os.tmpdir(), 'node-compile-cache')
  const user = process.getuid?.()
  const own = path.join(cache, `mnemo-${process.arch}-${v8.cachedDataVersionTag().toString(16)}-${user ?? 'all'}`)
  try {
    fs.mkdirSync(cache, { recursive: true })
    fs.mkdirSync(own, { recursive: true, mode: 0o700 })
    return user === undefined || fs.statSync(own).uid === user ? own : undefined
  } catch {
    return undefined
  }
}

function readCode(file) {
  let bytes
  try {
    bytes = fs.readFileSync(file)
  } catch {
    return undefined
  }
  const code = bytes.subarray(headBytes)
  // V8 trusts what it is given.
  return bytes.length > headBytes && crc32(code) === bytes.readUInt32LE(0) ? code : undefined
}

/** At once, where the memory is these bytes' alone: a process that ends soon may never collect it. */
function free({ buffer, byteLength }) {
  if (buffer.byteLength === headBytes + byteLength) buffer.transfer(0)
}

/** At once or not at all: others may be reading. */
function writeCode(file, code) {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32LE(crc32(code))
  const temporary = `${file}.${process.pid}.${require('node:worker_threads').threadId}`
  try {
    fs.writeFileSync(temporary, Buffer.concat([head, code]))
    fs.renameSync(temporary, file)
  } catch {
    fs.rmSync(temporary, { force: true })
  }
}
