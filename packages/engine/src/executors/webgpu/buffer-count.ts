/**
 * Keeps account of the memory of a device's buffers, from now on.
 * @returns a function that says how many bytes there were at most
 */
export function countBuffers(device: GPUDevice): () => number {
  let [now, most] = [0, 0];
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    let there = true;
    now += descriptor.size;
    most = Math.max(most, now);
    buffer.destroy = () => {
      if (there) now -= descriptor.size;
      there = false;
      return destroy();
    };
    return buffer;
  };
  return () => most;
}
