export default { files: [], protos: [] };
