/**
 * Runs the browser tests against a local stack of their own: starts the program, hands the tests
 * its endpoints, stops it, and ends with the tests' exit code.
 *
 *     node tests/browser/run.mjs [FILE...]
 *
 * STREAM_SYNC_BIN is the program (target/debug/stream-sync unless given). Where
 * STREAM_SYNC_ENDPOINTS is given, the tests use that running stack and none is started.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");

/** The stack may have to build the page first, on a slow machine. */
const START_WITHIN_MS = 180_000;
/** Longest clean end of the stack; it is killed after that, which is a failure. */
const STOP_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;
/** Longest run of one file: only a hang reaches it. */
const FILE_WITHIN_MS = 240_000;

/** Runs a command to its end, showing what it writes. */
async function run(command, args, options) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  const [code] = await once(child, "exit");
  return code ?? 1;
}

async function installPackages() {
  if (existsSync(join(here, "node_modules/playwright-core/package.json"))) return;
  const code = await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: here });
  if (code !== 0) throw new Error("npm ci failed in tests/browser");
}

async function startStack(folder) {
  const program = process.env.STREAM_SYNC_BIN ?? join(root, "target/debug/stream-sync");
  if (!existsSync(program)) {
    throw new Error(`${program} is not there: cargo build -p stream-sync`);
  }
  const endpoints = join(folder, "endpoints.json");
  const any = "127.0.0.1:0";
  const args = ["--http", any, "--rtmp", any, "--grace-seconds", "2", "--endpoints", endpoints];
  const log = createWriteStream(join(folder, "stack.log"));
  await once(log, "open");
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", log, log] });
  const ended = once(child, "exit");
  const deadline = Date.now() + START_WITHIN_MS;
  while (!existsSync(endpoints)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the stack did not start: see ${folder}/stack.log`);
    }
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
  return { child, ended, endpoints };
}

async function stopStack({ child, ended }) {
  child.kill("SIGINT");
  const late = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  const [code, signal] = await ended;
  clearTimeout(late);
  if (code !== 0) console.error(`the stack ended with ${signal ?? code}`);
  return code === 0;
}

function testFiles() {
  const named = process.argv.slice(2).map((file) => resolve(file));
  if (named.length > 0) return named;
  const all = readdirSync(here).filter((file) => file.endsWith(".test.mjs"));
  return all.sort().map((file) => join(here, file));
}

/** One file at a time: the tests print times, and the machine may have two cores. */
function runTests(endpoints) {
  const options = [
    "--test",
    "--test-concurrency=1",
    "--test-reporter=spec",
    `--test-timeout=${FILE_WITHIN_MS}`,
  ];
  return run(process.execPath, [...options, ...testFiles()], {
    env: { ...process.env, STREAM_SYNC_ENDPOINTS: endpoints },
  });
}

async function main() {
  await installPackages();
  const given = process.env.STREAM_SYNC_ENDPOINTS;
  if (given !== undefined) return runTests(resolve(given));

  const folder = mkdtempSync(join(tmpdir(), "stream-sync-browser-"));
  const stack = await startStack(folder);
  let code = 1;
  try {
    code = await runTests(stack.endpoints);
  } finally {
    const stoppedWell = await stopStack(stack);
    if (code === 0 && !stoppedWell) code = 1;
  }
  if (code === 0) rmSync(folder, { recursive: true });
  else console.error(`the stack's log: ${folder}/stack.log`);
  return code;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
