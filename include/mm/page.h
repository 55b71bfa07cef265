// SPDX-License-Identifier: MIT
// The page allocator: a buddy system over 1 GiB sections whose free sets are bitmaps.
//
//   physical memory   |  section 0   |  section 1   |  section 2   |  section 3   | …
//                        split          absent         whole          split
//                        bitmaps of                    one bit: all
//                        orders 0…9,                   of it is free
//                        a byte a frame
//
// A block is 2^order frames, aligned to its size; order 0 is 4 KiB, order 18 is 1 GiB. A section
// keeps the free blocks of orders 0 to 9 (2 MiB) in bitmaps with two levels of summary above them;
// larger blocks are found as runs of 2 MiB blocks. Nothing is ever written to free memory: no
// links, so nothing for a use-after-free to corrupt. One state byte a frame says what an allocated
// block is (its order and owner), so a double free, a free of the wrong order, of the middle of a
// block, of reserved memory or of no memory is caught always. A section that is wholly free or
// wholly absent has no metadata at all.
//
// In front of the sections stands, for each CPU and each order up to 2 MiB, a small stack of
// blocks: allocating is a pop and freeing a push, without a lock and without disabling interrupts.
// An interrupt that finds its CPU's stack in use goes to the sections itself.
//
// Requests are served from the top of memory down, so low memory is spent last.
// D. E. Knuth, The Art of Computer Programming vol. 1, 2.5 (the buddy system).
#pragma once

#include <mm/lock.h>
#include <mm/memmap.h>
#include <mm/port.h>

#define PAGE_ORDER_MAX   18 // 1 GiB
#define PAGE_ORDER_COUNT (PAGE_ORDER_MAX + 1)
#define SECTION_SHIFT    18 // frames in a section, as a power of two
#define SECTION_FRAMES   (UINT64_C(1) << SECTION_SHIFT)

// Who an allocation is for. Each block names its owner, so that the ledger always balances.
enum page_owner {
    PAGE_OWNER_KERNEL, // the kernel's own, nothing more particular
    PAGE_OWNER_PAGE_TABLE,
    PAGE_OWNER_SLAB,
    PAGE_OWNER_LARGE, // kmalloc beyond its classes
    PAGE_OWNER_VMALLOC,
    PAGE_OWNER_STACK,
    PAGE_OWNER_USER,
    PAGE_OWNER_DMA,
    PAGE_OWNER_ACPI,    // copies of ACPI tables
    PAGE_OWNER_MONITOR, // taken by hand
    PAGE_OWNER_TEST,
    PAGE_OWNER_OTHER,
    PAGE_OWNER_COUNT_,
};
_Static_assert(PAGE_OWNER_COUNT_ == 12, "a state byte has room for 19 orders x 12 owners");

// "kernel", "page-table", … : stable, used in records.
const char *page_owner_name(enum page_owner owner);

// A ceiling that excludes nothing.
#define PAGE_ANYWHERE ((paddr_t){UINT64_MAX})

enum page_status {
    PAGE_OK,
    PAGE_NO_MEMORY,    // no free block satisfies the request
    PAGE_BAD_REQUEST,  // order, range or alignment that cannot exist
    PAGE_NOT_FREE,     // page_reserve: part of the range is not free
    PAGE_NOT_RESERVED, // page_release: part of the range is already the allocator's
};

const char *page_status_name(enum page_status status);

// What is known about one frame (page_inspect).
enum page_state {
    PAGE_STATE_UNMANAGED, // not the allocator's: no RAM, or kept by somebody
    PAGE_STATE_FREE,      // in a free block
    PAGE_STATE_ALLOCATED, // in an allocated block
    PAGE_STATE_CACHED,    // free, in a CPU's stack
    PAGE_STATE_RESERVED,  // taken out by page_reserve
    PAGE_STATE_BAD,       // taken out for good
    PAGE_STATE_METADATA,  // the allocator's own
};

// "unmanaged", "free", … : stable, used in records.
const char *page_state_name(enum page_state state);

struct page_info {
    enum page_state state;
    pfn_t block;    // first frame of the block that the frame lies in, when free or allocated
    unsigned order; // of that block
    enum page_owner owner; // when allocated
};

struct section; // mm/page/section.h

#define PAGE_STACK_ORDERS  10  // a CPU keeps blocks of orders 0 … 9
#define PAGE_STACK_FRAMES  128 // single frames that it keeps at most
#define PAGE_STACK_BATCH   64  // frames that a refill takes at least, and a flush gives back
#define PAGE_STACK_ENTRIES 264 // blocks of all orders that it keeps at most

// A CPU's stack of free blocks of one order. Only that CPU touches it, and only while it holds the
// stack's gate: an interrupt that comes in between finds it held and goes around the stack.
struct page_stack {
    _Alignas(64) uint64_t top; // its entries are those of the CPU from `begin` to before `top`,
    uint32_t begin, end;       // at most to before `end`
    uint32_t gate;             // 0: open
    uint32_t size;             // of a block, in frames
    uint8_t head, cached;      // state bytes: a first owner's, one in the stack
    int64_t owned_blocks[PAGE_OWNER_COUNT_]; // allocated minus freed through this stack
};

// What a CPU keeps for itself. The stacks' entries lie one stack after the other: the first frame
// of each block, the oldest first, and where its state byte is.
struct page_cpu {
    struct page_stack stacks[PAGE_STACK_ORDERS];
    uint64_t frames[PAGE_STACK_ENTRIES];
    uint8_t *states[PAGE_STACK_ENTRIES];
    int64_t owned_pages[PAGE_OWNER_COUNT_]; // allocated minus freed around the stacks
};

// What is kept for those who cannot do without, in pages. A request whose ceiling lies above 4 GiB
// (16 MiB) leaves that much free below it, for devices that can reach no further; a request that
// may wait or fail leaves the atomic reserve for those that cannot (page_alloc_atomic). Blocks in
// CPUs' stacks do not count, and go to whoever comes next.
struct page_reserves {
    uint64_t below_16m, below_4g, atomic;
};

// Gives pages back that somebody keeps for later, in any way but by allocating. Returns how many.
// Called in whatever context a request came from, with no section locked.
typedef uint64_t page_shrinker(void *context);

// The allocator. Fields are private to mm/page/.
struct page_allocator {
    struct section *sections; // one for each GiB up to the end of RAM
    uint16_t
        *hints; // for each section, which orders it has free (kept exact under the section's lock)
    uint64_t section_count;
    struct lock ranges; // one change of a range at a time
    struct page_reserves reserves;
    uint64_t metadata_bytes; // what the allocator took for itself
    struct page_cpu cpus[PORT_CPU_MAX];
    struct page_watch *watch; // NULL, or who watches (mm/watch.h)
    page_shrinker *shrinker;  // NULL, or who can give pages back
    void *shrinker_context;
};

// How many bytes page_init takes from its caller for memory that ends at `ram_end`.  O(1).
uint64_t page_storage_bytes(paddr_t ram_end);

struct bootmem;
// Builds the allocator over the usable regions of `boot`'s map. Storage comes from `boot`, which is
// closed when this returns true; regions of other classes are not touched, and can be given later
// by page_release. False when the boot allocator cannot serve it: `allocator` is unusable then,
// `boot` still open. O(regions + sections / 64 + partly used sections).
bool page_init(struct page_allocator *allocator, struct bootmem *boot);

// Takes a block of 2^order frames that ends at or below `ceiling` (PAGE_ANYWHERE for any), for
// `owner`. Its first frame is stored in `*out`. The memory is not cleared. PAGE_NO_MEMORY, with
// `*out` unchanged, when there is none; what other CPUs have in their stacks (19 MiB each at most)
// is not there for this one, here and in all that follows, until they drain them. O(orders) in a
// section, plus a scan of two bytes a section when the first choice is exhausted. Any context,
// interrupts too.
enum page_status page_alloc(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                            enum page_owner owner, pfn_t *out);

// Single frames from anywhere, the request that a kernel makes most: as page_alloc(…, 0,
// PAGE_ANYWHERE, …) and page_free(…, 0), in fewer instructions.
// PAGE_NO_FRAME when there is none.
#define PAGE_NO_FRAME ((pfn_t){UINT64_MAX})
pfn_t page_alloc_frame(struct page_allocator *allocator, enum page_owner owner);
void page_free_frame(struct page_allocator *allocator, pfn_t frame);

// The same as page_alloc for a request that cannot wait: it may use the atomic reserve.
enum page_status page_alloc_atomic(struct page_allocator *allocator, unsigned order,
                                   paddr_t ceiling, enum page_owner owner, pfn_t *out);

// Sets the reserves; none after page_init. Nothing is moved: an allocation that would cut into a
// reserve is refused from now on.
void page_set_reserves(struct page_allocator *allocator, const struct page_reserves *reserves);

// Who is asked to give pages back before a request is refused; NULL: nobody. One at a time. It is
// asked once, and the request tried once more when it has given anything.
void page_set_shrinker(struct page_allocator *allocator, page_shrinker *shrinker, void *context);

// How much is free below 16 MiB, below 4 GiB and in all, not counting what lies in stacks: what the
// reserves are held against.  O(sections).
struct page_reserves page_free_below(struct page_allocator *allocator);

// The reserves that suit a machine with so much free: a quarter of what is free below 16 MiB (4 MiB
// at most), a sixteenth below 4 GiB (64 MiB at most; none when nothing lies above, for then nobody
// needs a ceiling), a 512th of all (2 MiB at most).  O(1).
struct page_reserves page_usual_reserves(const struct page_reserves *free);

// Gives a block back: exactly what page_alloc returned, with its order. Panics on anything else,
// naming the frame, what was expected and what was found.  O(orders). Any context.
void page_free(struct page_allocator *allocator, pfn_t block, unsigned order);

// Why page_alloc_contig found no place: what it saw of the free runs (maximal ranges of free
// frames).
struct page_refusal {
    uint64_t runs;           // free runs in all
    uint64_t long_enough;    // of these, as long as the request
    uint64_t beyond_ceiling; // long enough, but not in what lies below the ceiling
    uint64_t misaligned;     // long enough below the ceiling, but with no aligned place
    uint64_t crossing;       // an aligned place, but each one crosses a boundary
    uint64_t fitting;        // a place: a reserve keeps it, or the request was made to fail
    pfn_t nearest;           // the longest run below the ceiling, the nearest miss,
    uint64_t nearest_pages;  // and its length; 0: nothing is free there
    pfn_t obstacle; // the frame at its upper end, or at its lower end when that is free for all
    struct page_info in_the_way; // what stands there
};

// Takes `count` contiguous frames, of any number, for `owner`: they begin at a multiple of `align`
// bytes, end at or below `ceiling`, and cross no multiple of `boundary` bytes. `align` and
// `boundary` are powers of two; 0 for none. The smallest block that will do is used and its tail
// given back; when there is none, places inside and across free blocks are looked for, so a request
// that can be satisfied is never refused, but for other CPUs' stacks and the reserves. (All of a
// section but a few frames needs metadata for these, which may have to come from elsewhere.)
// PAGE_NO_MEMORY, with `*out` unchanged and, unless NULL, `*refusal` filled in, when there is no
// such place. PAGE_BAD_REQUEST when no memory could ever satisfy it (count 0, beyond `boundary`).
// O(orders) at best, O(free blocks of half the size and more) at worst.  Any context.
enum page_status page_alloc_contig(struct page_allocator *allocator, uint64_t count, uint64_t align,
                                   paddr_t ceiling, uint64_t boundary, enum page_owner owner,
                                   pfn_t *out, struct page_refusal *refusal);

// Gives back what page_alloc_contig took, all of it, with the same count. Panics as page_free does.
void page_free_contig(struct page_allocator *allocator, pfn_t first, uint64_t count);

// Makes an allocation of page_alloc_contig longer or shorter where it is: its last frames go, or
// those behind it are taken. False, with nothing changed, when one of these is not free (what CPUs
// keep back is not), lies in another GiB, or a reserve keeps it; and always while a watch looks on,
// whose recording has no word for it (watch.h). Panics as page_free does.
// O(frames + orders).  Any context.
bool page_resize_contig(struct page_allocator *allocator, pfn_t first, uint64_t count,
                        uint64_t wanted);

// Makes an allocated block into 2^order blocks of one frame, each of which goes back by itself.
// False, with nothing changed, while a watch looks on, which has no word for this either. Panics as
// page_free does.  O(frames).  Any context.
bool page_split(struct page_allocator *allocator, pfn_t block, unsigned order);

// Gives back the blocks that fill [first, first + count), each with the order that it was allocated
// with: for callers that took several and know of them only where they lie. Panics as page_free
// does, and when the last one reaches beyond the range.  O(blocks * orders).
void page_free_run(struct page_allocator *allocator, pfn_t first, uint64_t count);

// Takes exactly the frames [begin, end) out of the allocator, all of which must be free.
// PAGE_NOT_FREE, with nothing changed and the first frame in the way in `*obstacle` (unless NULL),
// otherwise.  O(frames / 512 + orders).
enum page_status page_reserve(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                              pfn_t *obstacle);

// Gives the frames [begin, end) to the allocator: what page_reserve took, or memory it has never
// seen (reclaimed, plugged in). PAGE_NOT_RESERVED, with nothing changed and the first offending
// frame in `*obstacle`, when a frame is already free, allocated, bad or metadata; PAGE_NO_MEMORY
// when metadata for a section cannot be made.
enum page_status page_release(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                              pfn_t *obstacle);

// As page_reserve, for good: the frames are marked bad and page_release refuses them. Frames that
// were reserved before may be among them (by whoever tests them, so that nobody else gets them in
// between); a bad frame is in the way. PAGE_NO_MEMORY as with page_release.
enum page_status page_retire(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                             pfn_t *obstacle);

// What the frame is.  O(orders), takes the section's lock.
struct page_info page_inspect(struct page_allocator *allocator, pfn_t frame);

// Whether any frame of [begin, end) is the allocator's, free or not; the first one in `*out`.
// O(sections + frames in those that are not absent).
bool page_find_managed(struct page_allocator *allocator, pfn_t begin, pfn_t end, pfn_t *out);

// Gives everything in this CPU's stacks back to the sections.  O(frames in them).
void page_drain(struct page_allocator *allocator);

// How much is free now, in the sections and in all CPUs' stacks.  O(sections + CPUs).
uint64_t page_free_count(struct page_allocator *allocator);

// What a CPU keeps in its stacks.
struct page_cpu_report {
    uint64_t blocks[PAGE_STACK_ORDERS]; // by order,
    uint64_t room[PAGE_STACK_ORDERS];   // and how many it keeps at most
};

// Fills in `*report` for a CPU below PORT_CPU_MAX. Cannot fail. Takes no lock: a CPU that works
// meanwhile is shown at some moment of it.  O(orders).
void page_cpu_report(const struct page_allocator *allocator, unsigned cpu,
                     struct page_cpu_report *report);

enum section_kind { SECTION_ABSENT, SECTION_WHOLE, SECTION_TAKEN, SECTION_SPLIT };
const char *section_kind_name(enum section_kind kind);

// A section as the reports show it.
struct section_report {
    uint64_t index;
    paddr_t begin;
    enum section_kind kind;
    uint64_t free_pages;
    uint64_t free_blocks[PAGE_ORDER_COUNT]; // free blocks by order, each as large as it can be
};

// Fills in `*report` from the bitmaps.  O(bitmap of order 9 + summaries … a few thousand
// instructions).
void page_section_report(struct page_allocator *allocator, uint64_t index,
                         struct section_report *report);

// Counted from the bitmaps and the state bytes, one section locked at a time: what the ledger
// stands on.
struct page_census {
    uint64_t free_pages, cached_pages, reserved_pages, bad_pages, metadata_pages;
    uint64_t owned_pages[PAGE_OWNER_COUNT_];
};
// Fills in `*census`, in pages; what it held is overwritten. Cannot fail, changes nothing. Each
// section is locked while it is counted, with interrupts off: other CPUs may go on, and then the
// sum is of no one moment. Not from an interrupt.  O(frames of split sections + sections).
void page_census(struct page_allocator *allocator, struct page_census *census);

// NULL, or the sentence that does not hold. Walks everything.  O(frames of split sections).
const char *page_check(struct page_allocator *allocator);

// The same while other CPUs allocate and free: all but the stacks and the owners' counters, which
// they change without a lock.
const char *page_check_running(struct page_allocator *allocator);
