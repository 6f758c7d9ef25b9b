// Compiles src/**/*.sol, and the toy contracts that Go tests deploy too, and writes artifacts/<Name>.json for Go to embed.
//
//   node compile.mjs           compile, write artifacts/
//   node compile.mjs --check   compile, compare with artifacts/, write nothing
//
// The output depends on the sources, this file and the pinned solc only: every file is compiled on its own, since
// the IR pipeline numbers its names over all sources of a run, and no metadata is appended to the bytecode.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

// How often an opcode of the deployed contract is expected to run: high trades bytes for gas. A contract that comes near
// the size limit gets a smaller number here, by its name.
const RUNS = { default: 1_000_000, DisputeGame: 800 }

// What Go tests need of test/.
const TOYS = ['test/dispute/ToyDelegate.sol', 'test/dispute/ToyTransition.sol']

const RUNTIME_LIMIT = 24_576 // EIP-170, bytes
const INITCODE_LIMIT = 49_152 // EIP-3860, bytes

const root = path.dirname(fileURLToPath(import.meta.url))
const srcDir = path.join(root, 'src')
const outDir = path.join(root, 'artifacts')

main(process.argv.slice(2))

function main(args) {
  const check = args.includes('--check')
  const unknown = args.filter((a) => a !== '--check')
  if (unknown.length > 0) fail(`compile: unknown argument ${unknown[0]}; the only one is --check`)

  const want = new Map()
  for (const unit of sourceUnits()) {
    for (const [name, artifact] of compileUnit(unit)) {
      if (want.has(name)) fail(`compile: two contracts are called ${name}; artifacts are named by contract`)
      want.set(name, artifact)
    }
  }
  report(want)
  if (check) checkArtifacts(want)
  else writeArtifacts(want)
}

// Paths of all sources that have artifacts, relative to the root, with forward slashes, sorted.
function sourceUnits() {
  return fs
    .readdirSync(srcDir, { recursive: true })
    .filter((p) => p.endsWith('.sol'))
    .map((p) => 'src/' + p.split(path.sep).join('/'))
    .concat(TOYS)
    .sort()
}

// Returns [name, text of the artifact] for every contract and interface that the file defines. Libraries and abstract
// contracts have nothing to deploy.
function compileUnit(unit) {
  const runs = RUNS[path.basename(unit, '.sol')] ?? RUNS.default
  const input = {
    language: 'Solidity',
    sources: { [unit]: { content: read(unit) } },
    settings: {
      viaIR: true,
      optimizer: { enabled: true, runs },
      evmVersion: 'osaka',
      metadata: { appendCBOR: false, bytecodeHash: 'none' },
      outputSelection: { [unit]: { '': ['ast'], '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode'] } }
    }
  }
  const out = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }))
  const complaints = (out.errors ?? []).filter((e) => e.severity !== 'info')
  if (complaints.length > 0) fail(complaints.map((e) => e.formattedMessage).join('\n'))

  return out.sources[unit].ast.nodes
    .filter((n) => n.nodeType === 'ContractDefinition' && n.contractKind !== 'library' && !n.abstract)
    .map((n) => [n.name, format(n.name, runs, out.contracts[unit][n.name])])
}

function read(unit) {
  return fs.readFileSync(path.join(root, unit), 'utf8').replaceAll('\r\n', '\n')
}

function readImport(unit) {
  try {
    return { contents: read(unit) }
  } catch (e) {
    return { error: e.message }
  }
}

// JSON with one ABI entry to a line and each bytecode on its own, so that a diff shows what changed.
function format(name, runs, { abi, evm }) {
  const runtime = evm.deployedBytecode.object
  for (const [what, code, limit] of [
    ['runtime', runtime, RUNTIME_LIMIT],
    ['init code', evm.bytecode.object, INITCODE_LIMIT]
  ]) {
    if (code.includes('__$')) fail(`compile: ${name} needs linking; use internal library functions`)
    if (code.length / 2 > limit) fail(`compile: ${what} of ${name} is ${code.length / 2} bytes; the limit is ${limit}`)
  }
  const entries = abi.map((e) => '    ' + JSON.stringify(e)).sort()
  const immutables = Object.values(evm.deployedBytecode.immutableReferences ?? {})
    .flat()
    .sort((a, b) => a.start - b.start)
  const lines = [
    `  "name": ${JSON.stringify(name)}`,
    `  "compiler": ${JSON.stringify(solc.version())}`,
    `  "runs": ${runs}`,
    `  "size": ${runtime.length / 2}`,
    entries.length > 0 ? `  "abi": [\n${entries.join(',\n')}\n  ]` : `  "abi": []`,
    `  "immutableReferences": ${JSON.stringify(immutables)}`,
    `  "bytecode": "0x${evm.bytecode.object}"`,
    `  "deployedBytecode": "0x${runtime}"`
  ]
  return `{\n${lines.join(',\n')}\n}\n`
}

function report(artifacts) {
  for (const [name, text] of artifacts) {
    const { size, runs } = JSON.parse(text)
    if (size > 0) console.log(`${name.padEnd(24)} ${String(size).padStart(6)} bytes of ${RUNTIME_LIMIT}, runs ${runs}`)
  }
}

function committed() {
  return fs.existsSync(outDir) ? fs.readdirSync(outDir).filter((f) => f.endsWith('.json')) : []
}

function checkArtifacts(want) {
  const wrong = []
  for (const [name, text] of want) {
    const file = path.join(outDir, name + '.json')
    if (!fs.existsSync(file)) wrong.push(`artifacts/${name}.json is missing`)
    else if (fs.readFileSync(file, 'utf8') !== text)
      wrong.push(`artifacts/${name}.json differs from what its source compiles to`)
  }
  for (const f of committed()) {
    if (!want.has(path.basename(f, '.json'))) wrong.push(`artifacts/${f} has no source`)
  }
  if (wrong.length > 0) fail(wrong.join('\n') + '\nrun "npm run compile" in contracts/ and commit artifacts/')
}

function writeArtifacts(want) {
  fs.mkdirSync(outDir, { recursive: true })
  for (const f of committed()) {
    if (!want.has(path.basename(f, '.json'))) fs.rmSync(path.join(outDir, f))
  }
  for (const [name, text] of want) {
    const file = path.join(outDir, name + '.json')
    fs.writeFileSync(file + '.tmp', text)
    fs.renameSync(file + '.tmp', file)
  }
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
