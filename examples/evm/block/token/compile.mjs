// Compiles Token.sol into Token.json. Run it in this folder, after `npm install --no-save solc@0.8.37`
// here or in a folder above.
import { readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "osaka",
  metadata: { appendCBOR: false }, // so that the bytecode does not depend on comments
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};
const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources: { "Token.sol": { content: readFileSync("Token.sol", "utf8") } },
      settings,
    }),
  ),
);
if (output.errors) {
  console.error(output.errors.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const { abi, evm } = output.contracts["Token.sol"].Token;
const artifact = { contract: "Token", compiler: solc.version(), settings, abi, bytecode: evm.bytecode.object };
writeFileSync("Token.json", JSON.stringify(artifact, null, 2) + "\n");
