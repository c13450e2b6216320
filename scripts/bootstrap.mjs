// Brings a checkout to where it can run: locked dependencies, kernels as WebAssembly, protobuf modules, the bundle of all modules.
// Does only what is out of date.
// Plain JavaScript for Node.js 18 and later, nothing but node: imports. Owns node_modules/ and build/.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { fail, findNode, keepNode, root } from './node.mjs'

/** Installs and builds what is out of date; prints one line for each step it takes. */
export function bootstrap() {
  mkdirSync(`${root}build`, { recursive: true })
  step(
    'dependencies',
    ['package-lock.json'],
    `${root}node_modules/.package-lock.json`,
    'installing locked dependencies',
    // The compilers of build/ are development dependencies: they are wanted where NODE_ENV says production, too.
    () =>
      run(process.platform === 'win32' ? 'npm.cmd' : 'npm', [
        'ci',
        ...['--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
      ]),
  )
  const node = findNode()
  keepNode(node)
  step('kernels', files('lib/kernels/assembly'), `${root}build/kernels.wasm`, 'compiling kernels', () => {
    const made = `build/kernels.${process.pid}.wasm`
    run(node, [
      'node_modules/assemblyscript/bin/asc.js',
      'lib/kernels/assembly/index.ts',
      ...[
        '-O3',
        '--noAssert',
        '--runtime',
        'stub',
        '--enable',
        'simd',
        '--enable',
        'relaxed-simd',
        '--importMemory',
        '--initialMemory',
        '1',
      ],
      ...['--outFile', made],
    ])
    renameSync(root + made, `${root}build/kernels.wasm`)
  })
  step('proto', files('proto'), `${root}build/proto.d.ts`, 'generating protobuf modules', () => {
    const protos = files('proto').filter((file) => file.endsWith('.proto'))
    const pbjs = ['-t', 'static-module', '-w', 'es6', '--dependency', 'protobufjs/minimal.js', '-p', 'proto']
    run(node, [
      'node_modules/protobufjs-cli/bin/pbjs',
      ...pbjs,
      '--no-create',
      ...['--no-verify', '--no-convert', '--no-delimited', '--no-typeurl', '--no-service'],
      '-o',
      'build/proto.js',
      ...protos,
    ])
    // protobufjs is CommonJS whose exports Node.js cannot see by name: take it as a whole.
    const modules = readFileSync(`${root}build/proto.js`, 'utf8')
    writeFileSync(`${root}build/proto.js`, modules.replace('import * as $protobuf', 'import $protobuf'))
    run(node, ['node_modules/protobufjs-cli/bin/pbts', '-o', 'build/proto.d.ts', 'build/proto.js'])
  })
  const sources = ['lib', 'services', 'proto'].flatMap(files)
  const bundled = ['package-lock.json', 'scripts/bundle.mjs', 'scripts/load.cjs', ...sources]
  step('bundle', bundled, `${root}build/bundle/services-mnemo.cjs`, 'bundling', () => run(node, ['scripts/bundle.mjs']))
}

function step(name, inputs, output, saying, work) {
  const hash = createHash('sha256')
  for (const file of inputs) hash.update(file).update(readFileSync(root + file))
  const want = hash.digest('hex')
  const stamp = `${root}build/.${name}`
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === want) {
    // bin/mnemo tells by times whether a source was edited.
    const now = new Date()
    return utimesSync(output, now, now)
  }
  console.error(`${saying} …`)
  work()
  writeFileSync(stamp, want)
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) fail(`cannot run ${command} ${args[0]}: ${error?.message ?? `exit status ${status}`}`)
}

function files(folder) {
  return readdirSync(root + folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? files(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`]))
    .sort()
}

if (process.argv[1] && import.meta.url.endsWith('/bootstrap.mjs') && process.argv[1].endsWith('bootstrap.mjs'))
  bootstrap()
