;;; lanebridge-state.el --- What the server has told of conversations  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Threads with their turns and items, as notifications tell of them, and the
;; state of the connection.  Views listen by `lanebridge-state-functions'.

;;; Code:

(require 'cl-lib)
(require 'seq)
(require 'subr-x)
(require 'lanebridge-connection)

(cl-defstruct (lanebridge-item (:copier nil))
  "One thing in a turn: a message, a call.
TOLD is what the server said of it, a property list.  PENDING are
deltas that nobody has taken yet, LIVE those that somebody has, both
the last one first: a text that grows is not copied for each of them."
  id type told live pending done doubtful)

(cl-defstruct (lanebridge-turn (:copier nil))
  "A prompt and what came of it.  STATUS is a symbol."
  id (text "") (status 'queued) items notice error code choices usage timing began)

(cl-defstruct (lanebridge-thread (:copier nil))
  "A conversation.  WHERE is the host of its server, as `file-remote-p' has it."
  id where (title "") model mode effort folder leased archived updated can-continue
  turns running loaded)

(defvar lanebridge-state-functions nil
  "Functions called when something has changed.
Each gets EVENT, a symbol, then thread, turn and item, as far as they
are meant.")

(defvar lanebridge-state-last nil
  "Id of the thread that was heard of last.")

(defvar lanebridge-state-connection nil
  "What connection/updated told last, a property list.")

(defvar lanebridge-state-running nil
  "Non-nil while the server is connected.")

(defvar lanebridge-state--threads (make-hash-table :test #'equal)
  "Threads by id.")

(defun lanebridge-state-tell (event &optional thread turn item)
  "Say to all who listen that EVENT happened to THREAD, TURN, ITEM."
  (run-hook-with-args 'lanebridge-state-functions event thread turn item))

(defun lanebridge-state-true-p (value)
  "Whether VALUE of a message is true: neither absent nor false."
  (and value (not (eq value :json-false))))

;;;; Threads, turns, items

(defun lanebridge-state-threads ()
  "All threads that are known."
  (hash-table-values lanebridge-state--threads))

(defun lanebridge-state--where ()
  "The host that is meant here; empty if it is this one."
  (or (file-remote-p default-directory) ""))

(defun lanebridge-state-thread (id)
  "The thread ID, made if it is not known."
  (or (gethash id lanebridge-state--threads)
      (puthash id (make-lanebridge-thread :id id :where (lanebridge-state--where))
               lanebridge-state--threads)))

(defun lanebridge-state-forget (thread)
  "Forget THREAD, which is deleted or put away."
  (remhash (lanebridge-thread-id thread) lanebridge-state--threads)
  (when (equal lanebridge-state-last (lanebridge-thread-id thread))
    (setq lanebridge-state-last nil)))

(defun lanebridge-state-find-turn (thread id)
  "The turn ID of THREAD, or nil."
  (seq-find (lambda (turn) (equal (lanebridge-turn-id turn) id))
            (lanebridge-thread-turns thread)))

(defun lanebridge-state-turn (thread id)
  "The turn ID of THREAD, made if it is not known."
  (or (lanebridge-state-find-turn thread id)
      (let ((turn (make-lanebridge-turn :id id)))
        (setf (lanebridge-thread-turns thread)
              (append (lanebridge-thread-turns thread) (list turn)))
        (lanebridge-state-tell 'turn thread turn)
        turn)))

(defun lanebridge-item-get (item name)
  "What was told as NAME of ITEM, such as :text."
  (plist-get (lanebridge-item-told item) name))

(defun lanebridge-item-failed-p (item)
  "Whether ITEM is a call that did not do what it should."
  (eq (lanebridge-item-get item :ok) :json-false))

(defun lanebridge-state--find-item (turn id type)
  "The item ID of TURN.
The user's message and an error may both have the turn's id, so TYPE
tells them apart."
  (seq-find (lambda (item)
              (and (equal (lanebridge-item-id item) id)
                   (equal (lanebridge-item-type item) type)))
            (lanebridge-turn-items turn)))

(defun lanebridge-state--item (turn id type)
  "The item ID of TYPE in TURN, and whether it is new, as a cons."
  (let ((known (lanebridge-state--find-item turn id type)))
    (if known
        (cons known nil)
      (let ((item (make-lanebridge-item :id id :type type)))
        (setf (lanebridge-turn-items turn)
              (append (lanebridge-turn-items turn) (list item)))
        (cons item t)))))

(defconst lanebridge-item--live-max 65536
  "So many characters of a call's live output are kept.")

(defun lanebridge-item-take (item)
  "Put the deltas that wait to what is live of ITEM, and return them."
  (let ((new (apply #'concat (nreverse (lanebridge-item-pending item)))))
    (setf (lanebridge-item-pending item) nil)
    (push new (lanebridge-item-live item))
    new))

(defun lanebridge-item-said (item)
  "What is live of ITEM; of a call's output its end."
  (let ((text (apply #'concat (reverse (lanebridge-item-live item)))))
    (when (and (> (length text) lanebridge-item--live-max)
               (not (equal (lanebridge-item-type item) "agentMessage")))
      (setq text (substring text (- lanebridge-item--live-max)))
      (setf (lanebridge-item-live item) (list text)))
    text))

(defun lanebridge-state-words (turn)
  "What was asked in TURN."
  (let ((said (seq-find (lambda (item)
                          (and (equal (lanebridge-item-type item) "userMessage")
                               (lanebridge-item-get item :text)))
                        (lanebridge-turn-items turn))))
    (if said (lanebridge-item-get said :text) (lanebridge-turn-text turn))))

(defun lanebridge-state-ended-p (turn)
  "Whether TURN has ended."
  (not (memq (lanebridge-turn-status turn) '(queued running))))

(defun lanebridge-state-busy ()
  "A thread one of whose turns runs, that heard of last first."
  (let ((last (and lanebridge-state-last
                   (gethash lanebridge-state-last lanebridge-state--threads))))
    (if (and last (lanebridge-thread-running last))
        last
      (seq-find #'lanebridge-thread-running (lanebridge-state-threads)))))

(defun lanebridge-state-waiting (thread)
  "How many prompts of THREAD wait."
  (seq-count (lambda (turn) (eq (lanebridge-turn-status turn) 'queued))
             (lanebridge-thread-turns thread)))

;;;; What requests answered

(defun lanebridge-state-merge-thread (told)
  "Take what TOLD, a Thread of the schema, says; return the thread."
  (let ((thread (lanebridge-state-thread (plist-get told :id))))
    (setf (lanebridge-thread-title thread) (or (plist-get told :title) "")
          (lanebridge-thread-model thread) (plist-get told :model)
          (lanebridge-thread-mode thread) (plist-get told :mode)
          (lanebridge-thread-effort thread) (plist-get told :effort)
          (lanebridge-thread-folder thread) (plist-get told :folder)
          (lanebridge-thread-updated thread) (plist-get told :updated)
          (lanebridge-thread-leased thread)
          (lanebridge-state-true-p (plist-get told :leased))
          (lanebridge-thread-archived thread)
          (lanebridge-state-true-p (plist-get told :archived))
          (lanebridge-thread-can-continue thread)
          (lanebridge-state-true-p (plist-get told :canContinue)))
    thread))

(defun lanebridge-state--turn-read (told)
  "A turn of the history, as TOLD by thread/read."
  (let ((turn (make-lanebridge-turn
               :id (plist-get told :id)
               :status (intern (plist-get told :status))
               :usage (plist-get told :usage)
               :error (plist-get told :error))))
    (setf (lanebridge-turn-items turn)
          (mapcar (lambda (item)
                    (make-lanebridge-item :id (plist-get item :id)
                                          :type (plist-get item :type)
                                          :told item :done t))
                  (plist-get told :items)))
    turn))

(defun lanebridge-state-merge-history (told turns)
  "Take TURNS, all that thread/read gave of the thread TOLD.
Turns that are known stay as they are; those that are not told yet
come last."
  (let* ((thread (lanebridge-state-merge-thread told))
         (old (mapcar (lambda (turn)
                        (or (lanebridge-state-find-turn thread (plist-get turn :id))
                            (lanebridge-state--turn-read turn)))
                      turns))
         (new (seq-remove (lambda (turn) (memq turn old))
                          (lanebridge-thread-turns thread))))
    (setf (lanebridge-thread-turns thread) (append old new)
          (lanebridge-thread-loaded thread) t)
    (lanebridge-state-tell 'history thread)
    thread))

;;;; What notifications tell

(defun lanebridge-state--thread-updated (params)
  "The thread of PARAMS has another title, model, effort or mode."
  (let ((thread (lanebridge-state-thread (plist-get params :threadId))))
    (setf (lanebridge-thread-title thread) (or (plist-get params :title) "")
          (lanebridge-thread-model thread) (plist-get params :model)
          (lanebridge-thread-effort thread) (plist-get params :effort)
          (lanebridge-thread-mode thread) (plist-get params :mode))
    (lanebridge-state-tell 'thread thread)))

(defmacro lanebridge-state--with-turn (params &rest body)
  "Do BODY with `thread' and `turn' of PARAMS."
  (declare (indent 1) (debug t))
  `(let* ((thread (lanebridge-state-thread (plist-get ,params :threadId)))
          (turn (lanebridge-state-turn thread (plist-get ,params :turnId))))
     ,@body))

(defun lanebridge-state--turn-started (params)
  "A turn begins, as PARAMS tell."
  (lanebridge-state--with-turn params
    (setf (lanebridge-turn-text turn) (or (plist-get params :text) "")
          (lanebridge-turn-status turn) 'running
          (lanebridge-turn-error turn) nil
          (lanebridge-turn-began turn) (float-time)
          (lanebridge-thread-running thread) turn
          (lanebridge-thread-can-continue thread) nil
          lanebridge-state-last (lanebridge-thread-id thread))
    (lanebridge-state-tell 'started thread turn)))

(defun lanebridge-state--text-p (item)
  "Whether ITEM is text of the model, which may turn out void."
  (member (lanebridge-item-type item) '("agentMessage" "reasoning")))

(defun lanebridge-state--drop (thread turn item)
  "Take ITEM, which is void, out of TURN of THREAD."
  (setf (lanebridge-turn-items turn) (remq item (lanebridge-turn-items turn)))
  (lanebridge-state-tell 'dropped thread turn item))

(defun lanebridge-state--drop-void (thread turn doubtful-only)
  "Drop text of TURN in THREAD that never completed.
With DOUBTFUL-ONLY that alone which was there when a request was sent
again."
  (dolist (item (lanebridge-turn-items turn))
    (when (and (not (lanebridge-item-done item))
               (or (not doubtful-only) (lanebridge-item-doubtful item))
               (lanebridge-state--text-p item))
      (lanebridge-state--drop thread turn item))))

(defun lanebridge-state--turn-completed (params)
  "A turn has ended, as PARAMS tell.
One that is not known was a prompt that somebody took back."
  (when-let* ((thread (lanebridge-state-thread (plist-get params :threadId)))
              (turn (lanebridge-state-find-turn thread (plist-get params :turnId))))
    (setf (lanebridge-turn-status turn) (intern (plist-get params :status))
          (lanebridge-turn-usage turn) (plist-get params :usage)
          (lanebridge-turn-timing turn) (plist-get params :timing)
          (lanebridge-turn-error turn) (plist-get params :error)
          (lanebridge-turn-code turn) (plist-get params :code)
          (lanebridge-turn-choices turn) (append (plist-get params :choices) nil)
          (lanebridge-turn-notice turn) nil)
    (when (eq (lanebridge-turn-status turn) 'completed)
      (lanebridge-state--drop-void thread turn nil))
    (when (eq (lanebridge-thread-running thread) turn)
      (setf (lanebridge-thread-running thread) nil))
    (lanebridge-state-tell 'completed thread turn)))

(defun lanebridge-state--turn-notice (params)
  "There is something to know of a turn that goes on, as PARAMS tell."
  (lanebridge-state--with-turn params
    (setf (lanebridge-turn-notice turn) (plist-get params :text))
    (dolist (item (lanebridge-turn-items turn))
      (setf (lanebridge-item-doubtful item)
            (and (not (lanebridge-item-done item)) (lanebridge-state--text-p item) t)))
    (lanebridge-state-tell 'notice thread turn)))

(defun lanebridge-state--take-item (params done)
  "Take the item of PARAMS; DONE says that it is complete."
  (lanebridge-state--with-turn params
    (let* ((told (plist-get params :item))
           (found (lanebridge-state--item turn (plist-get told :id)
                                          (plist-get told :type)))
           (item (car found)))
      (setf (lanebridge-item-told item) told)
      (when done
        (setf (lanebridge-item-done item) t
              (lanebridge-item-live item) nil
              (lanebridge-item-pending item) nil
              (lanebridge-item-doubtful item) nil))
      (lanebridge-state-tell (if (cdr found) 'item 'item-changed) thread turn item))))

(defun lanebridge-state--item-started (params)
  "The item of PARAMS begins."
  (lanebridge-state--with-turn params
    (lanebridge-state--drop-void thread turn t))
  (lanebridge-state--take-item params nil))

(defun lanebridge-state--item-completed (params)
  "The item of PARAMS is complete, or void: it comes again as another one."
  (if (not (lanebridge-state-true-p (plist-get (plist-get params :item) :void)))
      (lanebridge-state--take-item params t)
    (lanebridge-state--with-turn params
      (dolist (item (lanebridge-turn-items turn))
        (when (equal (lanebridge-item-id item) (plist-get (plist-get params :item) :id))
          (lanebridge-state--drop thread turn item))))))

(defun lanebridge-state--item-delta (params)
  "More of an item, as PARAMS tell."
  (lanebridge-state--with-turn params
    (let* ((found (lanebridge-state--item turn (plist-get params :itemId)
                                          (plist-get params :type)))
           (item (car found)))
      (when (cdr found)
        (lanebridge-state-tell 'item thread turn item))
      (setf (lanebridge-item-doubtful item) nil)
      (push (plist-get params :delta) (lanebridge-item-pending item))
      (lanebridge-state-tell 'delta thread turn item))))

(defun lanebridge-state--connection-updated (params)
  "The connection to the endpoint is as PARAMS tell."
  (setq lanebridge-state-connection params)
  (lanebridge-state-tell 'connection))

(defun lanebridge-state--queue-updated (params)
  "What waits in a thread is as PARAMS tell."
  (let ((thread (lanebridge-state-thread (plist-get params :threadId)))
        waiting)
    (seq-doseq (told (plist-get params :turns))
      (push (plist-get told :turnId) waiting)
      (let ((turn (lanebridge-state-turn thread (plist-get told :turnId))))
        (setf (lanebridge-turn-text turn) (plist-get told :text))))
    (dolist (turn (lanebridge-thread-turns thread))
      ;; It begins, or was taken out; if it begins, turn/started makes it anew.
      (when (and (eq (lanebridge-turn-status turn) 'queued)
                 (not (member (lanebridge-turn-id turn) waiting)))
        (setf (lanebridge-thread-turns thread)
              (remq turn (lanebridge-thread-turns thread)))
        (lanebridge-state-tell 'unqueued thread turn)))
    (lanebridge-state-tell 'queue thread)))

;;;; The server comes and goes

(defun lanebridge-state--connected ()
  "The server is there."
  (setq lanebridge-state-running t)
  (lanebridge-state-tell 'server))

(defun lanebridge-state--disconnected (&rest _)
  "The server is gone: what ran has failed, and can go on."
  (setq lanebridge-state-running nil
        lanebridge-state-connection nil)
  (dolist (thread (lanebridge-state-threads))
    (let ((turn (lanebridge-thread-running thread)))
      (when (and turn (equal (lanebridge-thread-where thread) (lanebridge-state--where)))
        (setf (lanebridge-thread-running thread) nil
              (lanebridge-thread-can-continue thread) t
              (lanebridge-turn-status turn) 'failed
              (lanebridge-turn-error turn)
              "the server ended while this turn ran; what it had done is kept")
        (lanebridge-state-tell 'completed thread turn))))
  (lanebridge-state-tell 'server))

(defconst lanebridge-state--notifications
  '(("lanebridge/thread/updated" . lanebridge-state--thread-updated)
    ("lanebridge/turn/started" . lanebridge-state--turn-started)
    ("lanebridge/turn/completed" . lanebridge-state--turn-completed)
    ("lanebridge/turn/notice" . lanebridge-state--turn-notice)
    ("lanebridge/item/started" . lanebridge-state--item-started)
    ("lanebridge/item/delta" . lanebridge-state--item-delta)
    ("lanebridge/item/completed" . lanebridge-state--item-completed)
    ("lanebridge/connection/updated" . lanebridge-state--connection-updated)
    ("lanebridge/queue/updated" . lanebridge-state--queue-updated))
  "Who takes which notification.")

(pcase-dolist (`(,method . ,function) lanebridge-state--notifications)
  (lanebridge-on method function))
(add-hook 'lanebridge-connected-hook #'lanebridge-state--connected)
(add-hook 'lanebridge-disconnected-hook #'lanebridge-state--disconnected)

(provide 'lanebridge-state)
;;; lanebridge-state.el ends here
