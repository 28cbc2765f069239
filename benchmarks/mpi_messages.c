/* Counts what goes through MPI, below mpi4py: loaded before libmpi, these functions stand in front of its own (PMPI).
 *
 * messages_phase(k): what follows counts in phase k. messages_counted(k, what): of phase k, 0: messages to another rank,
 * 1: their bytes, 2: collective operations. Messages to MPI_PROC_NULL are none.
 */
#include <mpi.h>

static long long counted[8][3];
static int phase = 0;

void messages_phase(int k) { phase = k; }
long long messages_counted(int k, int what) { return counted[k][what]; }

static void message(long long count, MPI_Datatype type, int dest)
{
    int size;
    if (dest == MPI_PROC_NULL)
        return;
    PMPI_Type_size(type, &size);
    counted[phase][0] += 1;
    counted[phase][1] += count * size;
}

#define SEND(name, type)                                                                                                         \
    int MPI_##name(const void *buf, type count, MPI_Datatype datatype, int dest, int tag, MPI_Comm comm, MPI_Request *request)   \
    {                                                                                                                            \
        message(count, datatype, dest);                                                                                          \
        return PMPI_##name(buf, count, datatype, dest, tag, comm, request);                                                      \
    }
SEND(Isend, int)
SEND(Isend_c, MPI_Count)

#define BLOCKING(name, type)                                                                              \
    int MPI_##name(const void *buf, type count, MPI_Datatype datatype, int dest, int tag, MPI_Comm comm)  \
    {                                                                                                     \
        message(count, datatype, dest);                                                                   \
        return PMPI_##name(buf, count, datatype, dest, tag, comm);                                        \
    }
BLOCKING(Send, int)
BLOCKING(Send_c, MPI_Count)

#define ALLREDUCE(name, type)                                                                                       \
    int MPI_##name(const void *in, void *out, type count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm)          \
    {                                                                                                               \
        counted[phase][2] += 1;                                                                                     \
        return PMPI_##name(in, out, count, datatype, op, comm);                                                     \
    }
ALLREDUCE(Allreduce, int)
ALLREDUCE(Allreduce_c, MPI_Count)

#define IALLREDUCE(name, type)                                                                                                  \
    int MPI_##name(const void *in, void *out, type count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm, MPI_Request *request) \
    {                                                                                                                           \
        counted[phase][2] += 1;                                                                                                 \
        return PMPI_##name(in, out, count, datatype, op, comm, request);                                                        \
    }
IALLREDUCE(Iallreduce, int)
IALLREDUCE(Iallreduce_c, MPI_Count)
