;;; lanebridge-view.el --- A conversation in a buffer  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; A buffer holds blocks, one for each item and one for the end of each turn,
;; then a rule, then the prompt.  A block is drawn anew by changing only what
;; differs, so that cursors and windows stay; text that streams in is added at
;; its end.  All but the prompt is read-only.  What we write is no step of the
;; undo list, and the steps of the prompt move along with it.

;;; Code:

(require 'cl-lib)
(require 'lanebridge-render)

(defcustom lanebridge-chat-output-lines 200
  "So many lines of a call's output or diff are shown in the chat."
  :type 'natnum
  :group 'lanebridge)

(defvar lanebridge-view-map (make-sparse-keymap)
  "Keys above the prompt; `lanebridge-chat' fills it.")

(defconst lanebridge-view--redraw-seconds 0.03
  "What streams in is drawn at most so often.")

(cl-defstruct (lanebridge-block (:copier nil))
  "Text of ITEM, of the end of TURN, or of the head.
BEG is a marker; FOLD is an overlay on what can be hidden.  PAINTED is
where the last line begins that has its faces, and FENCE what is open
there."
  key item turn beg (length 0) fold painted fence)

(defvar-local lanebridge-view-thread nil
  "The thread that this buffer shows.")
(defvar-local lanebridge-view--blocks nil
  "Blocks by key.")
(defvar-local lanebridge-view--dirty nil
  "Blocks that wait to be drawn, the last one first.")
(defvar-local lanebridge-view--timer nil
  "Timer of the next drawing.")
(defvar-local lanebridge-view--prompt nil
  "Marker where the prompt begins.")
(defvar-local lanebridge-view--drawn-at 0
  "When something was drawn last.")

;;;; Writing

(defun lanebridge-view--shift (entry from delta)
  "Move the positions in ENTRY of an undo list that are at FROM or later by DELTA."
  (cl-flet ((moved (pos) (if (>= (abs pos) from) (+ pos (if (< pos 0) (- delta) delta)) pos)))
    (pcase entry
      ((pred integerp) (moved entry))
      (`(,(and beg (pred integerp)) . ,(and end (pred integerp)))
       (setcar entry (moved beg))
       (setcdr entry (moved end))
       entry)
      (`(,(pred stringp) . ,(and pos (pred integerp)))
       (setcdr entry (moved pos))
       entry)
      (`(nil ,_ ,_ ,(and beg (pred integerp)) . ,(and end (pred integerp)))
       (setcar (nthcdr 3 entry) (moved beg))
       (setcdr (nthcdr 3 entry) (moved end))
       entry)
      (`(apply ,(pred integerp) ,(and beg (pred integerp)) ,(and end (pred integerp)) . ,_)
       (setcar (nthcdr 2 entry) (moved beg))
       (setcar (nthcdr 3 entry) (moved end))
       entry)
      (_ entry))))

(defun lanebridge-view--shift-undo (from delta)
  "The text before FROM, the prompt, has grown by DELTA: undo steps move along."
  (unless (or (zerop delta) (not (consp buffer-undo-list)))
    (let ((rest buffer-undo-list))
      (while (consp rest)
        (setcar rest (lanebridge-view--shift (car rest) from delta))
        (setq rest (cdr rest))))))

(defmacro lanebridge-view--writing (&rest body)
  "Do BODY, which writes above the prompt, without a trace in the undo list."
  (declare (indent 0) (debug t))
  `(let ((before (marker-position lanebridge-view--prompt))
         (modified (buffer-modified-p)))
     (let ((inhibit-read-only t)
           (inhibit-modification-hooks t)
           (buffer-undo-list t)
           (deactivate-mark nil))
       (save-excursion ,@body))
     (restore-buffer-modified-p modified)
     (lanebridge-view--shift-undo before (- lanebridge-view--prompt before))))

(defun lanebridge-view--mark (block beg end)
  "Mark the text from BEG to END as that of BLOCK."
  (add-text-properties
   beg end
   (list 'lanebridge-block block 'read-only t 'front-sticky '(read-only keymap)
         'keymap lanebridge-view-map)))

(defun lanebridge-block-end (block)
  "Where BLOCK ends."
  (+ (lanebridge-block-beg block) (lanebridge-block-length block)))

(defun lanebridge-view--common (new old)
  "How many characters NEW and OLD have in common at their beginning and end."
  (let* ((least (min (length new) (length old)))
         (same (compare-strings new nil nil old nil nil))
         (front (if (eq same t) least (1- (abs same))))
         (back 0))
    (while (and (< back (- least front))
                (eq (aref new (- (length new) back 1)) (aref old (- (length old) back 1))))
      (cl-incf back))
    (cons front back)))

(defun lanebridge-view--replace (block text)
  "Make TEXT the text of BLOCK, changing only what differs."
  (let* ((beg (marker-position (lanebridge-block-beg block)))
         (old (buffer-substring-no-properties beg (lanebridge-block-end block)))
         (common (lanebridge-view--common text old))
         (from (+ beg (car common)))
         (gone (- (length old) (car common) (cdr common))))
    (goto-char from)
    (insert (substring text (car common) (- (length text) (cdr common))))
    (set-marker (lanebridge-block-beg block) beg)
    (delete-region (point) (+ (point) gone))
    (setf (lanebridge-block-length block) (length text))
    ;; What stayed may have other faces by now.
    (set-text-properties beg (+ beg (length text)) nil)
    (lanebridge-view--copy-faces text beg)
    (lanebridge-view--mark block beg (+ beg (length text)))))

(defun lanebridge-view--copy-faces (text beg)
  "Put the faces of TEXT on the buffer from BEG on."
  (let ((from 0))
    (while from
      (let ((face (get-text-property from 'face text))
            (next (next-single-property-change from 'face text)))
        (when face
          (put-text-property (+ beg from) (+ beg (or next (length text))) 'face face))
        (setq from next)))))

;;;; Folds

(defun lanebridge-view--make-fold (block from)
  "Let BLOCK be hidden behind its first line, from FROM characters on."
  (let ((fold (lanebridge-block-fold block))
        (beg (+ (lanebridge-block-beg block) (or from 0)))
        (end (1- (lanebridge-block-end block))))
    (cond
     ((not from)
      (when fold (delete-overlay fold))
      (setf (lanebridge-block-fold block) nil))
     (fold (move-overlay fold beg end))
     (t
      (setq fold (make-overlay beg end nil t nil))
      (overlay-put fold 'lanebridge-fold block)
      (overlay-put fold 'invisible 'lanebridge-fold)
      (overlay-put fold 'isearch-open-invisible #'lanebridge-view--unfold)
      (setf (lanebridge-block-fold block) fold)))))

(defun lanebridge-view--unfold (fold)
  "Show what FOLD hides."
  (overlay-put fold 'invisible nil))

(defun lanebridge-view-toggle-fold (&optional block)
  "Hide or show what is behind the first line of BLOCK, or of that at point."
  (let* ((block (or block (get-text-property (point) 'lanebridge-block)))
         (fold (and block (lanebridge-block-fold block))))
    (when fold
      (let ((hide (not (overlay-get fold 'invisible))))
        (overlay-put fold 'invisible (and hide 'lanebridge-fold))
        (when (and hide (> (point) (overlay-start fold)) (< (point) (overlay-end fold)))
          (goto-char (overlay-start fold)))
        t))))

;;;; Blocks

(defun lanebridge-view-item-key (turn item)
  "Key of the block of ITEM in TURN."
  (list 'item (lanebridge-turn-id turn) (lanebridge-item-id item) (lanebridge-item-type item)))

(defun lanebridge-view-end-key (turn)
  "Key of the block at the end of TURN."
  (list 'end (lanebridge-turn-id turn)))

(defun lanebridge-view--find (key)
  "The block with KEY, or nil."
  (gethash key lanebridge-view--blocks))

(defun lanebridge-view--insert (pos key turn item)
  "Make a block with KEY for TURN and ITEM at POS, and return it."
  (let ((block (make-lanebridge-block :key key :turn turn :item item)))
    (goto-char pos)
    ;; A block has a character at least: no two begin at the same place.
    (insert "\n")
    (setf (lanebridge-block-beg block) (copy-marker pos t)
          (lanebridge-block-length block) 1)
    (lanebridge-view--mark block pos (1+ pos))
    (puthash key block lanebridge-view--blocks)))

(defun lanebridge-view--turn-end (turn)
  "The block at the end of TURN."
  (let ((key (lanebridge-view-end-key turn)))
    (or (lanebridge-view--find key)
        (lanebridge-view--insert (1- lanebridge-view--prompt) key turn nil))))

(defun lanebridge-view--below (turn parent)
  "Where another item goes below PARENT, the id of a helper's call in TURN, or nil."
  (let* ((call (seq-find (lambda (item) (equal (lanebridge-item-id item) parent))
                         (lanebridge-turn-items turn)))
         (block (and call (lanebridge-view--find (lanebridge-view-item-key turn call))))
         (pos (and block (lanebridge-block-end block))))
    (while (and pos
                (setq block (get-text-property pos 'lanebridge-block))
                (lanebridge-block-item block)
                (equal (lanebridge-item-get (lanebridge-block-item block) :parentItemId) parent))
      (setq pos (lanebridge-block-end block)))
    pos))

(defun lanebridge-view--block (turn item)
  "The block of ITEM in TURN; what a helper does stands below its call."
  (let ((key (lanebridge-view-item-key turn item))
        (parent (lanebridge-item-get item :parentItemId)))
    (or (lanebridge-view--find key)
        (let ((end (lanebridge-view--turn-end turn)))
          (lanebridge-view--insert (or (and parent (lanebridge-view--below turn parent))
                                       (marker-position (lanebridge-block-beg end)))
                                   key turn item)))))

(defun lanebridge-view--after-fold-p (block)
  "Whether a block with a fold stands before BLOCK."
  (let* ((beg (marker-position (lanebridge-block-beg block)))
         (before (and (> beg (point-min)) (get-text-property (1- beg) 'lanebridge-block)))
         (item (and before (lanebridge-block-item before))))
    (and item (not (member (lanebridge-item-type item)
                           '("userMessage" "agentMessage" "error" "compaction"))))))

(defun lanebridge-view--text (block)
  "Text of BLOCK and where its fold begins."
  (let ((item (lanebridge-block-item block))
        (turn (lanebridge-block-turn block)))
    (cond (item (lanebridge-render-item item (lanebridge-view--after-fold-p block)
                                        lanebridge-chat-output-lines))
          (turn (list (lanebridge-render-turn-end turn)))
          (t (list (lanebridge-render-head lanebridge-view-thread))))))

(defun lanebridge-view--paint (block from fence)
  "Put faces on BLOCK from FROM on, where FENCE is open."
  (let ((end (lanebridge-block-end block)))
    (setf (lanebridge-block-fence block) (lanebridge-markdown-paint from end fence)
          (lanebridge-block-painted block)
          (save-excursion (goto-char (1- end)) (- (line-beginning-position)
                                                  (lanebridge-block-beg block))))))

(defun lanebridge-view--said-p (block text)
  "Whether TEXT stands in BLOCK already, as a message that has streamed in."
  (and (lanebridge-block-painted block)
       (lanebridge-block-item block)
       (equal (lanebridge-item-type (lanebridge-block-item block)) "agentMessage")
       (= (length text) (lanebridge-block-length block))
       (string= text (buffer-substring-no-properties (lanebridge-block-beg block)
                                                     (lanebridge-block-end block)))))

(defun lanebridge-view--draw (block)
  "Draw BLOCK anew from what is known by now."
  (let* ((told (lanebridge-view--text block)))
    (unless (lanebridge-view--said-p block (car told))
      (lanebridge-view--replace block (car told))
      (lanebridge-view--paint block (marker-position (lanebridge-block-beg block)) nil)
      (lanebridge-view--make-fold block (cdr told)))))

(defun lanebridge-view--stream (block)
  "Add to BLOCK what has come of its message; what is there is not looked at again."
  (let* ((new (lanebridge-render--clean (lanebridge-item-take (lanebridge-block-item block))))
         (beg (marker-position (lanebridge-block-beg block)))
         (at (1- (lanebridge-block-end block)))
         (from (+ beg (or (lanebridge-block-painted block) 0))))
    (goto-char at)
    (insert new)
    (set-marker (lanebridge-block-beg block) beg)
    (cl-incf (lanebridge-block-length block) (length new))
    (remove-text-properties from (lanebridge-block-end block) '(face nil invisible nil))
    (lanebridge-view--mark block at (lanebridge-block-end block))
    (lanebridge-view--paint block from (lanebridge-block-fence block))))

(defun lanebridge-view--refresh (block)
  "Bring BLOCK up to date, by adding to it if that will do."
  (let ((item (lanebridge-block-item block)))
    (cond
     ((and item (lanebridge-item-pending item) (not (lanebridge-item-done item))
           (equal (lanebridge-item-type item) "agentMessage")
           (lanebridge-block-painted block))
      (lanebridge-view--stream block))
     (t
      (when (and item (lanebridge-item-pending item))
        (lanebridge-item-take item))
      (lanebridge-view--draw block)))))

(defun lanebridge-view--remove (block)
  "Take BLOCK away."
  (when (lanebridge-block-fold block)
    (delete-overlay (lanebridge-block-fold block)))
  (delete-region (lanebridge-block-beg block) (lanebridge-block-end block))
  (set-marker (lanebridge-block-beg block) nil)
  (setq lanebridge-view--dirty (delq block lanebridge-view--dirty))
  (remhash (lanebridge-block-key block) lanebridge-view--blocks))

;;;; What others call

(defun lanebridge-view-set-up (thread)
  "Make the current, empty buffer show THREAD."
  (setq lanebridge-view-thread thread
        lanebridge-view--blocks (make-hash-table :test #'equal)
        lanebridge-view--prompt (point-marker))
  (let ((inhibit-read-only t) (buffer-undo-list t))
    (insert (propertize "\n" 'read-only t 'front-sticky '(read-only) 'rear-nonsticky t
                        'lanebridge-rule t)))
  (set-marker lanebridge-view--prompt (point))
  (lanebridge-view-rebuild))

(defun lanebridge-view-rebuild ()
  "Draw all of the thread from nothing; the prompt stays as it is."
  (lanebridge-view--writing
    (maphash (lambda (_key block)
               (when (lanebridge-block-fold block)
                 (delete-overlay (lanebridge-block-fold block)))
               (set-marker (lanebridge-block-beg block) nil))
             lanebridge-view--blocks)
    (clrhash lanebridge-view--blocks)
    (setq lanebridge-view--dirty nil)
    (delete-region (point-min) (1- lanebridge-view--prompt))
    (lanebridge-view--draw (lanebridge-view--insert (point-min) 'head nil nil))
    (dolist (turn (lanebridge-thread-turns lanebridge-view-thread))
      (let ((end (lanebridge-view--turn-end turn)))
        (dolist (item (lanebridge-turn-items turn))
          (lanebridge-view--refresh (lanebridge-view--block turn item)))
        (lanebridge-view--draw end)))))

(defun lanebridge-view--touch (block)
  "Let BLOCK be drawn soon, with all else that has changed by then."
  (unless (memq block lanebridge-view--dirty)
    (push block lanebridge-view--dirty))
  (unless lanebridge-view--timer
    (setq lanebridge-view--timer
          (run-with-timer (max 0 (- (+ lanebridge-view--drawn-at lanebridge-view--redraw-seconds)
                                    (float-time)))
                          nil #'lanebridge-view--flush (current-buffer)))))

(defun lanebridge-view--follow ()
  "Let windows in whose prompt one is show the end of the text.
Redisplay would find that place too, with twice the work."
  (dolist (window (get-buffer-window-list nil nil t))
    (when (lanebridge-view-in-prompt-p (window-point window))
      (save-excursion
        (goto-char (point-max))
        (vertical-motion (- 1 (window-body-height window)) window)
        (set-window-start window (point) t)))))

(defun lanebridge-view--flush (buffer)
  "Draw what has changed in BUFFER."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (setq lanebridge-view--timer nil)
      (let ((dirty (nreverse lanebridge-view--dirty)))
        (setq lanebridge-view--dirty nil)
        (when dirty
          (lanebridge-view--writing
            (mapc #'lanebridge-view--refresh dirty))
          (lanebridge-view--follow)))
      (setq lanebridge-view--drawn-at (float-time)))))

(defun lanebridge-view-flush ()
  "Draw now what waits to be drawn in this buffer."
  (when lanebridge-view--timer
    (cancel-timer lanebridge-view--timer))
  (lanebridge-view--flush (current-buffer)))

(defun lanebridge-view-update (event turn item)
  "Show that EVENT happened to TURN or ITEM."
  (pcase event
    ('delta
     (let ((block (lanebridge-view--find (lanebridge-view-item-key turn item))))
       (when block (lanebridge-view--touch block))))
    ((or 'item 'item-changed)
     (let (block)
       (lanebridge-view--writing
         (setq block (lanebridge-view--block turn item)))
       (lanebridge-view--touch block)))
    ((or 'dropped 'unqueued)
     (let ((block (lanebridge-view--find (if (eq event 'dropped)
                                             (lanebridge-view-item-key turn item)
                                           (lanebridge-view-end-key turn)))))
       (when block
         (lanebridge-view--writing (lanebridge-view--remove block)))))
    (_
     (let ((head (lanebridge-view--find 'head)) end)
       (when turn
         (lanebridge-view--writing
           (setq end (lanebridge-view--turn-end turn)))
         (lanebridge-view--touch end))
       (lanebridge-view--touch head)))))

(defun lanebridge-view-prompt ()
  "What stands in the prompt."
  (string-trim (buffer-substring-no-properties lanebridge-view--prompt (point-max))))

(defun lanebridge-view-set-prompt (text)
  "Make TEXT what stands in the prompt."
  (delete-region lanebridge-view--prompt (point-max))
  (save-excursion
    (goto-char (point-max))
    (insert text))
  (set-buffer-modified-p nil))

(defun lanebridge-view-in-prompt-p (&optional pos)
  "Whether POS, or point, is in the prompt."
  (>= (or pos (point)) lanebridge-view--prompt))

(defun lanebridge-view-turn-at-point ()
  "The turn at point; in the prompt the last one."
  (let ((block (and (not (lanebridge-view-in-prompt-p))
                    (get-text-property (point) 'lanebridge-block))))
    (or (and block (lanebridge-block-turn block))
        (car (last (lanebridge-thread-turns lanebridge-view-thread))))))

(provide 'lanebridge-view)
;;; lanebridge-view.el ends here
