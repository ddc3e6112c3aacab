#include "runtime/workspace.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace sulsul {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallestBlock = std::size_t{1} << 16;

std::atomic<std::int64_t> held_bytes{0};

void* allocate(std::size_t size) {
  void* memory = std::aligned_alloc(kAlignment, size);
  if (memory == nullptr) throw std::bad_alloc();
  held_bytes.fetch_add(static_cast<std::int64_t>(size), std::memory_order_relaxed);
  return memory;
}

void deallocate(void* memory, std::size_t size) {
  std::free(memory);
  held_bytes.fetch_sub(static_cast<std::int64_t>(size), std::memory_order_relaxed);
}

std::size_t round_up(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

struct Block {
  char* memory;
  std::size_t size;
};

// A thread's stack of scratch memory. It may need several blocks the first time; when the outermost frame
// ends they are replaced by one as large as all, so that from then on a frame only moves an offset.
struct Arena {
  std::mutex in_use;  // held from the outermost frame's start to its end
  int depth = 0;
  std::vector<Block> blocks;
  std::size_t block = 0;  // the block being filled
  std::size_t used = 0;   // bytes of it

  std::size_t total() const {
    std::size_t sum = 0;
    for (const Block& b : blocks) sum += b.size;
    return sum;
  }

  void free_blocks() {
    for (const Block& b : blocks) deallocate(b.memory, b.size);
    blocks.clear();
  }

  void* take(std::size_t size) {
    size = round_up(std::max<std::size_t>(size, 1));
    while (block < blocks.size() && blocks[block].size - used < size) {
      ++block;
      used = 0;
    }
    if (block == blocks.size()) {
      blocks.reserve(blocks.size() + 1);
      const std::size_t block_size = std::max({size, kSmallestBlock, total()});
      blocks.push_back({static_cast<char*>(allocate(block_size)), block_size});
    }
    void* memory = blocks[block].memory + used;
    used += size;
    return memory;
  }

  void merge_blocks() {
    if (blocks.size() < 2) return;
    const std::size_t size = total();
    free_blocks();
    // Called from a destructor: without memory for one block, the next frame starts from nothing.
    try {
      blocks.push_back({static_cast<char*>(allocate(size)), size});
    } catch (const std::bad_alloc&) {
    }
  }
};

// All arenas, for release_workspaces(). Never destroyed: threads may outlive the program's static objects.
struct Registry {
  std::mutex mutex;
  std::vector<Arena*> arenas;
};

Registry& registry() {
  static Registry* instance = [] {
    auto* made = new Registry;
    // A child forked while another thread holds the mutex would find it locked for ever.
    pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); },
                   [] { registry().mutex.unlock(); });
    return made;
  }();
  return *instance;
}

struct ThreadArena {
  Arena arena;
  ThreadArena() {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.arenas.push_back(&arena);
  }
  ~ThreadArena() {
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.arenas.erase(std::find(all.arenas.begin(), all.arenas.end(), &arena));
    arena.free_blocks();
  }
};

Arena& this_thread() {
  thread_local ThreadArena arena;
  return arena.arena;
}

}  // namespace

ScratchFrame::ScratchFrame() {
  Arena& arena = this_thread();
  if (arena.depth++ == 0) arena.in_use.lock();
  block_ = arena.block;
  used_ = arena.used;
}

ScratchFrame::~ScratchFrame() {
  Arena& arena = this_thread();
  arena.block = block_;
  arena.used = used_;
  if (--arena.depth == 0) {
    arena.merge_blocks();
    arena.in_use.unlock();
  }
}

void* ScratchFrame::bytes(std::size_t size) { return this_thread().take(size); }

AlignedBuffer::~AlignedBuffer() { release(); }

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void* AlignedBuffer::reserve(std::size_t size) {
  size = round_up(std::max<std::size_t>(size, 1));
  if (size > size_) {
    release();
    data_ = allocate(size);
    size_ = size;
  }
  return data_;
}

void AlignedBuffer::release() {
  if (data_ != nullptr) deallocate(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

std::int64_t workspace_bytes() { return held_bytes.load(std::memory_order_relaxed); }

std::int64_t release_workspaces() {
  const std::int64_t before = workspace_bytes();
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  for (Arena* arena : all.arenas) {
    if (!arena->in_use.try_lock()) continue;
    arena->free_blocks();
    arena->in_use.unlock();
  }
  return before - workspace_bytes();
}

}  // namespace sulsul
