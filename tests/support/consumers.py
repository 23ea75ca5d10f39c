"""Programs of others that read what the tools export, from npm: installed once, into build/npm, all at one time, as npm
takes away what it is not told of. A test that needs them is skipped where they cannot be had."""
import json
import shutil
import subprocess

import pytest
from conftest import ROOT, need_program

FOLDER = ROOT / "build" / "npm"
PACKAGES = {"@duckdb/node-api": "1.5.6-r.1", "hyparquet": "1.31.5", "hyparquet-compressors": "1.1.2", "speedscope": "1.25.0",
            "playwright-core": "1.65.1"}

DUCKDB = """
import { DuckDBInstance } from '@duckdb/node-api';
const connection = await (await DuckDBInstance.create(':memory:')).connect();
for (const query of process.argv.slice(2))
    console.log(JSON.stringify((await connection.runAndReadAll(query)).getRowsJson()));
"""
HYPARQUET = """
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
const plain = (key, value) => typeof value === 'bigint' ? { bigint: value.toString() }
    : value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('hex') } : value === undefined ? null : value;
for (const path of process.argv.slice(2)) {
    const file = await asyncBufferFromFile(path);
    for (const row of await parquetReadObjects({ file, compressors, utf8: false, parsers: {
            timestampFromNanoseconds: nanos => nanos } }))
        console.log(JSON.stringify(row, plain));
}
"""
# A module whose `load` gets a page of Chromium; what it returns is printed, with what the page complained of.
BROWSER = """
import { chromium } from 'playwright-core';
import fs from 'node:fs';
import path from 'node:path';
const argument = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: argument.shift(), args: ['--no-sandbox', '--allow-file-access-from-files'] });
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
const problems = [];
page.on('pageerror', error => problems.push(String(error)));
page.on('console', message => message.type() === 'error' && problems.push(message.text()));
page.on('dialog', dialog => { problems.push(dialog.message()); dialog.dismiss(); });
const load = async () => { %s };
try {
    console.log(JSON.stringify({ result: await load(), problems }));
} finally {
    await browser.close();
}
"""
SPEEDSCOPE = """
    const text = fs.readFileSync(argument[0]).toString('base64');
    const script = path.resolve(argument[1], 'load.js');
    fs.writeFileSync(script, `speedscope.loadFileFromBase64(${JSON.stringify(path.basename(argument[0]))}, "${text}")`);
    await page.goto('file://' + path.resolve('node_modules/speedscope/dist/release/index.html') + '#localProfilePath=' + script);
    await page.waitForFunction(() => document.title.includes(' - speedscope'), null, { timeout: 60000 });
    return await page.evaluate(() => document.body.innerText);
"""


def npm():
    """The folder with node_modules."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node.js and npm are not installed")
    if not all((FOLDER / "node_modules" / name).is_dir() for name in PACKAGES):
        FOLDER.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--silent", "--no-save", "--prefix", str(FOLDER)] +
                              [name + "@" + version for name, version in PACKAGES.items()],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            pytest.skip("npm does not give the packages: " + done.stdout[-200:])
    return FOLDER


def node(name, program, *arguments):
    """The lines that a module of JavaScript prints."""
    folder = npm()
    (folder / name).write_text(program)
    done = subprocess.run(["node", name, *map(str, arguments)], cwd=folder, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().splitlines()


def browser(name, program, *arguments):
    """What a program for a page of Chromium returns, and what the page complained of."""
    chromium = need_program("chromium")
    (line,) = node(name, BROWSER % program, chromium, *arguments)
    return json.loads(line)


def speedscope(path, folder):
    """The text that speedscope shows for a file, and its complaints."""
    return browser("speedscope.mjs", SPEEDSCOPE, path, folder)


def duckdb(*queries):
    """Each query's rows."""
    return [json.loads(line) for line in node("duckdb.mjs", DUCKDB, *queries)]


def hyparquet(*paths):
    """The rows of all files, as parquet_reader.rows gives them."""
    def plain(value):
        if set(value) == {"bigint"}:
            return int(value["bigint"])
        return bytes.fromhex(value["bytes"]) if set(value) == {"bytes"} else value
    return [json.loads(line, object_hook=plain) for line in node("hyparquet.mjs", HYPARQUET, *paths)]
