// Downloads a repository in a process of its own, to be killed: download-child.mjs <endpoint> <org/name> <folder>
import { downloadRepository } from "../../dist/index.js";

const [endpoint, repository, folder] = process.argv.slice(2);
const options = { endpoint, token: false, concurrency: 1, retryDelay: 1 };
try {
  const result = await downloadRepository(repository, folder, options);
  console.log(JSON.stringify({ fetchedFiles: result.fetchedFiles, files: result.files.length }));
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
